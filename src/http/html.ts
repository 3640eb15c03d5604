/** Text made safe for HTML, or a piece of HTML that is safe already. */
export class Html {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return this.source;
  }
}

const signs: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML shows it: markup in names and messages stays text. @example escapeHtml('<b>') → '&lt;b&gt;' */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => signs[sign] as string);
}

/**
 * A template whose values are escaped unless they are {@link Html} already; lists are joined.
 * @example html`<p>${'<b>'}</p>`.source → '<p>&lt;b&gt;</p>'
 */
export function html(pieces: TemplateStringsArray, ...values: (string | number | Html | Html[])[]): Html {
  const shown = values.map((value) => (Array.isArray(value) ? value.map((item) => item.source).join('') : value instanceof Html ? value.source : escapeHtml(String(value))));
  return new Html(pieces.reduce((page, piece, index) => page + (index === 0 ? '' : (shown[index - 1] as string)) + piece, ''));
}

/** JSON for a script element of type application/json: nothing in it can end the element. */
export function jsonScript(id: string, value: unknown): Html {
  return new Html(`<script type="application/json" id="${escapeHtml(id)}">${JSON.stringify(value).replace(/</g, '\\u003c')}</script>`);
}

/**
 * The header that makes an answer a download under a name in any script (RFC 6266, RFC 5987).
 * @example attachmentHeader('Báo cáo.pdf') → "attachment; filename*=UTF-8''B%C3%A1o%20c%C3%A1o.pdf"
 */
export function attachmentHeader(name: string): string {
  const whole = Buffer.from(name).toString(); // Half a surrogate pair cannot be encoded.
  return `attachment; filename*=UTF-8''${encodeURIComponent(whole).replace(/['()*!]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)}`;
}
