import { html, jsonScript, type Html } from './html.ts';

/** Words in the page's language. */
export type Say = (key: string, params?: Record<string, unknown>) => string;

/** One of the three phones: its chat and what stands above it. */
export interface DemoPhone {
  chat: 'chair' | 'member' | 'staff';
  place: string;
}

/** The steps of the story, with the phone each is played on; `play` where a button can do it for the reader. */
export const storySteps = [
  { key: 'pair', chat: 'chair' },
  { key: 'remind', chat: 'chair' },
  { key: 'submit', chat: 'chair' },
  { key: 'pledge', chat: 'member' },
  { key: 'late', chat: 'staff' },
] as const;

/** The whole page as HTML. Everything that changes is filled in by `pages/demo.js`. */
export function renderDemoPage(say: Say, language: string, timeZone: string, phones: readonly DemoPhone[]): string {
  const outbox = Object.fromEntries(['pending', 'sending', 'sent', 'unknown', 'dead'].map((state) => [state, say(`demo.outbox.${state}`)]));
  const words = { timeZone, typing: say('demo.typing'), failed: say('demo.failed'), resetSure: say('demo.reset-sure'), outbox };
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${say('demo.title')}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/demo.css">
<script type="module" src="/assets/demo.js"></script>
</head>
<body>
<a class="skip" href="#phones">${say('demo.skip')}</a>
<header>
  <h1>${say('demo.title')}<small>${say('demo.subtitle')}</small></h1>
  <div class="clock" role="group" aria-label="${say('demo.clock')}">
    <time id="now" aria-live="polite"></time>
    <button type="button" class="button" data-move="hour">${say('demo.hour')}</button>
    <button type="button" class="button" data-move="day">${say('demo.day-move')}</button>
    <button type="button" class="button main" data-move="next" id="next">${say('demo.next')}</button>
    <button type="button" class="button" id="reset">${say('demo.reset')}</button>
  </div>
</header>
<main class="stage">
  <aside aria-labelledby="story-title">
    <h2 id="story-title">${say('demo.story.title')}</h2>
    <ol class="story">${storySteps.map((step) => renderStep(say, step))}</ol>
    <p><label><input type="checkbox" id="plain"> ${say('demo.plain')}</label></p>
  </aside>
  <div>
    <div class="tabs" role="tablist">${phones.map((phone) => html`<button type="button" role="tab" data-chat="${phone.chat}" aria-controls="phone-${phone.chat}" aria-selected="false">${say(`demo.tab.${phone.chat}`)}</button>`)}</div>
    <div class="phones" id="phones" tabindex="-1">${phones.map((phone) => renderPhone(say, phone))}</div>
  </div>
  <details class="inside" open>
    <summary>${say('demo.inside.title')}</summary>
    <ul class="counts" id="outbox"></ul>
    <div class="scroll" tabindex="0" role="region" aria-label="${say('demo.inside.title')}"><table>
      <thead><tr><th scope="col">${say('demo.inside.unit')}</th><th scope="col">${say('demo.inside.obligation')}</th><th scope="col">${say('demo.inside.due')}</th><th scope="col">${say('demo.inside.state')}</th></tr></thead>
      <tbody id="assignments"></tbody>
    </table></div>
  </details>
</main>
${jsonScript('words', words)}
</body>
</html>`.source;
}

function renderStep(say: Say, step: (typeof storySteps)[number]): Html {
  return html`<li data-step="${step.key}" data-done="false"><h3>${say(`demo.story.${step.key}.name`)}</h3><p>${say(`demo.story.${step.key}.text`)}</p>
<button type="button" class="button" data-play="${step.key}" data-chat="${step.chat}">${say(`demo.story.${step.key}.do`)}</button></li>`;
}

function renderPhone(say: Say, phone: DemoPhone): Html {
  const name = say(`demo.phone.${phone.chat}`);
  return html`<section class="phone" id="phone-${phone.chat}" data-chat="${phone.chat}" aria-label="${name}">
  <h2>${name}<small>${phone.place}</small></h2>
  <div class="log" role="log" aria-live="polite" aria-label="${name}" tabindex="0"></div>
  <div class="typing" role="status"></div>
  <form class="say">
    <label class="attach" title="${say('demo.attach')}"><span aria-hidden="true">📎</span><span class="visually-hidden">${say('demo.attach')}</span><input type="file" class="visually-hidden" multiple></label>
    <label class="visually-hidden" for="say-${phone.chat}">${say('demo.message')}</label>
    <input type="text" id="say-${phone.chat}" autocomplete="off" placeholder="${say('demo.message')}">
    <button type="submit" class="button main">${say('demo.send')}</button>
  </form>
</section>`;
}
