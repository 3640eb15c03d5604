import type { Language } from '../domain/person.ts';
import { html, jsonScript, type Html } from './html.ts';

/** Words in the page's language. */
export type Say = (key: string, params?: Record<string, unknown>) => string;

/** One of the three phones: its chat and what stands above it. */
export interface DemoPhone {
  chat: 'chair' | 'member' | 'staff';
  place: string;
}

/** The steps of the story, with the phone each is played on. */
export const storySteps = [
  { key: 'pair', chat: 'chair' },
  { key: 'remind', chat: 'chair' },
  { key: 'submit', chat: 'chair' },
  { key: 'pledge', chat: 'member' },
  { key: 'late', chat: 'staff' },
] as const;

/** The whole page as HTML. Everything that changes is filled in by `pages/demo.js`. */
export function renderDemoPage(say: Say, language: Language, timeZone: string, phones: readonly DemoPhone[]): string {
  const outbox = Object.fromEntries(['pending', 'sending', 'sent', 'unknown', 'dead'].map((state) => [state, say(`demo.outbox.${state}`)]));
  const words = {
    timeZone, outbox, typing: say('demo.typing'), failed: say('demo.failed'), again: say('demo.send-again'), away: say('demo.away'), resetSure: say('demo.reset-sure'),
    buttons: say('demo.buttons', { number: '{number}' }), done: say('demo.step-done'),
  };
  const other: Language = language === 'vi' ? 'en' : 'vi';
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${say('demo.title')}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/demo.css">
<script type="module" src="/assets/demo.js"></script>
</head>
<body>
<a class="skip" href="#phones">${say('demo.skip')}</a>
<header>
  <h1>${say('demo.title')}</h1>
  <a class="language" href="?lang=${other}" lang="${other}" hreflang="${other}">${say('demo.other-language')}</a>
  <div class="clock" role="group" aria-label="${say('demo.clock')}">
    <p class="now"><time id="now" aria-live="polite"></time><small id="next-at"></small></p>
    <button type="button" class="button" data-move="hour">${say('demo.hour')}</button>
    <button type="button" class="button" data-move="day">${say('demo.day-move')}</button>
    <button type="button" class="button main" data-move="next">${say('demo.next')}</button>
  </div>
</header>
<p class="away" id="away" role="alert" hidden></p>
<main class="stage">
  <section class="story" aria-labelledby="story-title">
    <h2 id="story-title">${say('demo.story.title')}</h2>
    <p class="intro">${say('demo.subtitle')}</p>
    <ol>${storySteps.map((step, index) => renderStep(say, step, index + 1))}</ol>
    <p class="end" id="story-end" hidden>${say('demo.story.end')}</p>
    <div class="options">
      <label class="switch"><input type="checkbox" role="switch" id="plain"><span>${say('demo.plain')}</span></label>
      <button type="button" class="button" id="reset">${say('demo.reset')}</button>
    </div>
  </section>
  <div class="desk">
    <div class="tabs" role="group" aria-label="${say('demo.which-phone')}">${phones.map((phone) => html`<button type="button" data-chat="${phone.chat}" aria-pressed="false">${say(`demo.tab.${phone.chat}`)}<span class="visually-hidden" hidden>${say('demo.new-message')}</span></button>`)}</div>
    <div class="phones" id="phones" tabindex="-1">${phones.map((phone) => renderPhone(say, phone))}</div>
    <section class="inside" aria-labelledby="inside-title">
      <h2 id="inside-title">${say('demo.inside.title')}</h2>
      <ul class="counts" id="outbox" aria-label="${say('demo.inside.outbox')}"></ul>
      <div class="scroll" tabindex="0" role="region" aria-label="${say('demo.inside.table')}"><table>
        <thead><tr id="units"></tr></thead>
        <tbody id="rows"></tbody>
      </table></div>
    </section>
  </div>
</main>
${jsonScript('words', { ...words, columns: [say('demo.inside.obligation'), say('demo.inside.due')] })}
</body>
</html>`.source;
}

function renderStep(say: Say, step: (typeof storySteps)[number], number: number): Html {
  return html`<li data-step="${step.key}"><details name="story"><summary data-number="${number}">${say(`demo.story.${step.key}.name`)}<span class="visually-hidden"></span></summary><p>${say(`demo.story.${step.key}.text`)}</p>
<button type="button" class="button main" data-play="${step.key}" data-chat="${step.chat}">${say(`demo.story.${step.key}.do`)}</button></details></li>`;
}

function renderPhone(say: Say, phone: DemoPhone): Html {
  const name = say(`demo.phone.${phone.chat}`);
  return html`<section class="phone" id="phone-${phone.chat}" data-chat="${phone.chat}" aria-labelledby="name-${phone.chat}">
  <h2 id="name-${phone.chat}">${name}<small>${phone.place}</small></h2>
  <div class="log" role="log" aria-live="polite" aria-label="${name}" tabindex="0"></div>
  <p class="visually-hidden status" role="status"></p>
  <form class="say">
    <label class="attach" title="${say('demo.attach')}"><span aria-hidden="true">📎</span><span class="visually-hidden">${say('demo.attach')}</span><input type="file" class="visually-hidden" multiple></label>
    <label class="visually-hidden" for="say-${phone.chat}">${say('demo.message')}</label>
    <input type="text" id="say-${phone.chat}" autocomplete="off" enterkeyhint="send" placeholder="${say('demo.message')}">
    <button type="submit" class="button main">${say('demo.send')}</button>
  </form>
</section>`;
}
