import { CommandFailure } from '../failure.ts';
import type { Doc, Value } from '../value.ts';
import { Double } from '../value.ts';
import { ADMIN_COMMANDS } from './admin.ts';
import type { Command, Engine, Request } from './command.ts';
import { checkFields, errorFields } from './command.ts';
import { READ_COMMANDS } from './read.ts';
import { SESSION_COMMANDS } from './session.ts';
import { WRITE_COMMANDS } from './write.ts';

const COMMANDS: ReadonlyMap<string, Command> = new Map([...READ_COMMANDS, ...WRITE_COMMANDS, ...ADMIN_COMMANDS, ...SESSION_COMMANDS]);
/** Names some clients write differently. */
const ALIASES: Record<string, string> = { findandmodify: 'findAndModify', deleteIndexes: 'dropIndexes', listdatabases: 'listDatabases', dbstats: 'dbStats', collstats: 'collStats', serverstatus: 'serverStatus' };

/**
 * Runs one command and answers in every case: its result with `ok: 1`, or the error with MongoDB's code and `ok: 0`.
 * `log` receives what was not meant to happen.
 */
export async function runCommand(engine: Engine, request: Request, log: (line: string) => void): Promise<Doc> {
  const name = request.body.keys().next().value ?? '';
  try {
    const command = COMMANDS.get(ALIASES[name] ?? name);
    if (!command) throw new CommandFailure(59, `no such command: '${name}'`);
    checkFields(name, command, request.body);
    const reply = await command.run(engine, request);
    return new Map<string, Value>([...reply, ['ok', new Double(1)]]);
  } catch (error) {
    if (!(error instanceof CommandFailure)) log(`command ${name} failed: ${(error as Error).stack ?? String(error)}`);
    return new Map<string, Value>([['ok', new Double(0)], ...errorFields(error)]);
  }
}
