/**
 * Reads csv after RFC 4180, with comma or semicolon, whichever the first line holds more of outside quotes. Line ends may be LF, CRLF or CR.
 * A quote that is never closed is told by the row it opens in.
 * @example readCsv('a;"b ""c"""\r\n') → { cells: [['a', 'b "c"']] }
 */
export function readCsv(text: string): { cells: string[][] } | { openQuoteRow: number } {
  const separator = separatorOf(text);
  const cells: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quotedSince: number | null = null;
  const endCell = (): void => {
    row.push(cell);
    cell = '';
  };
  const endRow = (): void => {
    endCell();
    cells.push(row);
    row = [];
  };
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index] as string;
    if (quotedSince !== null) {
      if (letter !== '"') cell += letter;
      else if (text[index + 1] === '"') {
        cell += '"';
        index += 1;
      } else quotedSince = null;
    } else if (letter === '"' && cell.trim() === '') {
      cell = '';
      quotedSince = cells.length + 1;
    } else if (letter === separator) endCell();
    else if (letter === '\n' || letter === '\r') {
      if (letter === '\r' && text[index + 1] === '\n') index += 1;
      endRow();
    } else cell += letter;
  }
  if (quotedSince !== null) return { openQuoteRow: quotedSince };
  if (cell !== '' || row.length > 0) endRow();
  return { cells };
}

function separatorOf(text: string): string {
  const header = text.slice(0, text.search(/[\r\n]|$/)).replace(/"[^"]*"/g, '');
  return header.split(';').length > header.split(',').length ? ';' : ',';
}
