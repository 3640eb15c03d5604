/**
 * Folds Vietnamese text to what people type without diacritics: lower case, no marks, đ → d, spaces joined.
 * Everything that is searched or compared with typed words goes through it.
 * @example foldText(' Đôn  Đốc ') → 'don doc'
 */
export function foldText(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .replace(/đ/g, 'd')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/**
 * The key Vietnamese names are sorted by: the last word first, then the whole name.
 * @example nameSortKey('Nguyễn Xuân Phối') → 'phoi nguyen xuan phoi'
 */
export function nameSortKey(name: string): string {
  const folded = foldText(name);
  return `${folded.slice(folded.lastIndexOf(' ') + 1)} ${folded}`;
}
