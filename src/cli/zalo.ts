import { createInterface } from 'node:readline/promises';
import { BadConfig } from '../config.ts';
import type { Switchboard } from '../switchboard.ts';
import { openDesk, putOut, putWords, tableLine, withHouse, type Desk } from './desk.ts';
import { CliFailure, exitCodes } from './exit.ts';

/** `dondoc zalo login`: puts the Official Account's first pair of tokens, from the environment, or pasted. */
export async function loginZalo(options: { paste?: boolean }): Promise<void> {
  const desk = await openDesk();
  const { zaloOa } = desk.config;
  await withAccount(desk, async ({ tokens }) => {
    const pasted = options.paste ? await askToken(desk) : (zaloOa?.refreshToken ?? '');
    const done = await tokens.login(pasted);
    // A refusal is final for that token; anything else may work in a minute. Either way the pair that was there stays.
    if ('refused' in done) throw new CliFailure(exitCodes.badData, [desk.say('cli.zalo-refused', { reason: done.refused })]);
    if ('later' in done) throw new CliFailure(exitCodes.tryAgain, [desk.say('cli.zalo-later')]);
    putWords(desk.say('cli.zalo-logged-in', { at: new Date(done.pair.expiresAt) }));
  });
}

/** `dondoc zalo status`: what the account may do now. */
export async function printZaloStatus(options: { json?: boolean }): Promise<void> {
  const desk = await openDesk();
  await withAccount(desk, async ({ channel }) => {
    const status = await channel.describe();
    if (options.json) await putOut(JSON.stringify(status));
    else for (const [name, value] of Object.entries(status)) await putOut(tableLine([name, value === null ? '' : String(value)]));
    if (status.reachable !== true) throw new CliFailure(exitCodes.unreachable);
  });
}

async function withAccount(desk: Desk, run: (account: NonNullable<Switchboard['zaloOa']>) => Promise<void>): Promise<void> {
  if (!desk.config.zaloOa) throw new BadConfig(['the Zalo Official Account is not configured: set ZALO_OA_APP_ID, ZALO_OA_APP_SECRET, ZALO_OA_SECRET_KEY and ZALO_OA_REFRESH_TOKEN']);
  await withHouse(desk, async ({ switchboard }) => {
    if (switchboard.zaloOa) await run(switchboard.zaloOa);
  });
}

/** Asks for the token on the terminal, or reads it from a pipe; it is never shown again. */
async function askToken(desk: Desk): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const token = (await reader.question(`${desk.say('cli.zalo-paste')} `)).trim();
    if (!/^\S+$/.test(token)) throw new CliFailure(exitCodes.wrongUse, [desk.say('cli.zalo-no-token')]);
    return token;
  } finally {
    reader.close();
  }
}
