import { html, jsonScript, type Html } from './html.ts';
import type { Language } from '../domain/person.ts';
import { fileSizeLimit } from '../domain/submission.ts';

/** What an upload page shows: words in the person's language. */
export interface UploadPage {
  language: Language;
  title: string;
  unit: string;
  due: string;
  quote: string;
  expires: string;
  /** The receipt; null while nothing was handed in through the link. */
  receipt: string | null;
  again: boolean;
  /** Why nothing can be handed in any more; null while it can. */
  closed: string | null;
}

type Say = (key: string, params?: Record<string, unknown>) => string;

function frame(say: Say, language: Language, body: Html): string {
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${say('upload.page-title')}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/assets/upload.css">
</head>
<body><main>${body}</main></body>
</html>`.source;
}

/** The page behind an upload link: the form, or the receipt. It works as a plain form where there is no JavaScript; `pages/upload.js` adds the progress bar. */
export function renderUploadPage(say: Say, page: UploadPage): string {
  const head = html`<p class="unit">${page.unit}</p><h1>${page.title}</h1><p class="due">${say('upload.due')}: ${page.due}</p>`;
  if (page.receipt !== null) {
    const title = page.again ? say('upload.done-again') : say('upload.done');
    return frame(say, page.language, html`${head}<section class="receipt" id="receipt" role="status"><h2>✅ ${title}</h2><p class="lines">${page.receipt}</p></section><p class="note">${page.again ? say('upload.used') : say('upload.done-note')}</p>`);
  }
  if (page.closed !== null) return frame(say, page.language, html`${head}<p class="trouble" role="alert">${page.closed}</p>`);
  const words = { sending: say('upload.sending', { percent: '{percent}' }), failed: say('upload.failed'), none: say('upload.no-file'), checking: say('upload.checking'), limit: fileSizeLimit, tooBig: say('refusal.file-too-big', { limit: '20 MB' }) };
  return frame(say, page.language, html`${head}<blockquote>${page.quote}</blockquote>
<form method="post" enctype="multipart/form-data" id="form">
  <p>${say('upload.intro')}</p>
  <label class="drop" id="drop"><span>📎 ${say('upload.choose')}</span><small class="when-scripted" hidden>${say('upload.or-drop')}</small><input type="file" name="file" required accept=".pdf,.doc,.docx,.xls,.xlsx,.odt,.ods,.jpg,.jpeg,.png,.heic,.zip"></label>
  <progress max="100" value="0" aria-label="${say('upload.progress')}" hidden></progress>
  <p class="trouble" role="alert" hidden></p>
  <button type="submit">${say('upload.send')}</button>
</form>
<p class="note">${page.expires}</p>
${jsonScript('words', words)}<script src="/assets/upload.js" defer></script>`);
}

/** A page that only says a sentence: a link that is no good, a file that is not taken (and the way back to choose another). */
export function renderNotePage(say: Say, language: Language, sentence: string, again: boolean): string {
  const back = again ? html`<p><a class="back" href="">${say('upload.choose-again')}</a></p>` : html``;
  return frame(say, language, html`<h1>${say(again ? 'upload.not-taken' : 'upload.sorry')}</h1><p class="trouble" role="alert">${sentence}</p>${back}`);
}
