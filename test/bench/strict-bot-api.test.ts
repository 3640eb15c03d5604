import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startStrictBotApi, type StrictBotApi } from '../../src/bench/strict-bot-api.ts';

let api: StrictBotApi;
beforeEach(async () => {
  api = await startStrictBotApi({ latencyMs: 0 });
});
afterEach(() => api.close());

async function send(chat: string, text = 'hello'): Promise<{ status: number; body: { parameters?: { retry_after?: number } } }> {
  const response = await fetch(`${api.root}/bot1:x/sendMessage`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ chat_id: chat, text }) });
  return { status: response.status, body: (await response.json()) as { parameters?: { retry_after?: number } } };
}

async function countTaken(chats: readonly string[]): Promise<number> {
  const answers = [];
  for (const chat of chats) answers.push(await send(chat));
  return answers.filter((answer) => answer.status === 200).length;
}

describe('the strict Bot API that benchmarks and fault tests measure against', () => {
  test('a private chat takes three at once, a fourth is refused and told how long to wait', async () => {
    expect(await countTaken(['1', '1', '1'])).toBe(3);
    const fourth = await send('1');
    expect(fourth).toMatchObject({ status: 429, body: { parameters: { retry_after: 3 } } });
    expect((await send('2')).status).toBe(200);
    expect(api.refused).toBe(1);
  });

  test('a group takes twenty a minute', async () => {
    expect(await countTaken(Array.from({ length: 22 }, () => '-5'))).toBe(20);
  });

  test('all chats together take thirty at once and thirty a second', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => send(String(100 + index))));
    const taken = answers.filter((answer) => answer.status === 200).length;
    expect(taken).toBeGreaterThanOrEqual(30);
    expect(taken).toBeLessThan(60);
    expect(api.taken).toHaveLength(taken);
  });

  test('a lost answer has arrived, a gateway’s page has not', async () => {
    api.settings.weather = () => 'lose-answer';
    await expect(send('1', 'lost')).rejects.toThrow();
    api.settings.weather = () => 'bad-gateway';
    await expect(send('1', 'never')).rejects.toThrow();
    expect(api.taken.map((taken) => taken.text)).toEqual(['lost']);
  });
});
