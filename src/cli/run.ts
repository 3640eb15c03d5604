import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { Refusal } from '../domain/refusal.ts';
import { benchNames, runBenches } from './bench.ts';
import { issueCodesFor } from './codes.ts';
import { backUp, exportDatabase, importDatabase, restore, serveDatabase } from './database.ts';
import { openDesk, putWords } from './desk.ts';
import { exitCodes, exitOf, type ExitCode } from './exit.ts';
import { printOutbox, printOverdue, printStats } from './figures.ts';
import { checkPlanFile, loadPlanFile } from './plan.ts';
import { runDemo, runService } from './service.ts';
import { closeUnitOn, importUnitSheet } from './units.ts';
import { loginZalo, printZaloStatus } from './zalo.ts';

/**
 * Runs one command and answers its exit code. Data goes to stdout, words to stderr.
 * @example await runCli(['plan', 'check', 'seeds/plans/2024.yaml', '--json']) → 0
 */
export async function runCli(args: readonly string[]): Promise<ExitCode> {
  // A reader that has seen enough (`| head`) is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.done);
    throw error;
  });
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    const { code, words } = exitOf(error);
    putWords(error instanceof Refusal ? await sayRefusal(error) : words);
    return code;
  }
}

/** Refusals that a person in the chat and an operator at a terminal are told in different words. */
const atTerminal: Readonly<Record<string, string>> = { 'plan-none': 'cli.plan-none', 'unit-unknown': 'cli.unit-unknown', 'unit-closed': 'cli.unit-closed', 'obligation-unknown': 'cli.obligation-unknown' };

async function sayRefusal(refusal: Refusal): Promise<string> {
  const desk = await openDesk();
  return desk.say(atTerminal[refusal.code] ?? `refusal.${refusal.code}`, refusal.params);
}

function createProgram(): Command {
  const program = new Command('dondoc').description('Đôn Đốc: keeps a trade union\'s yearly plan on time').version(readVersion()).enablePositionalOptions();
  program.command('start').description('the service').action(runService);
  program.command('demo').description('the demo, whatever the environment says').action(runDemo);
  const plan = program.command('plan').description('plan files');
  plan.command('check <file>').description('every mistake of a plan file, with file, line and field').option('--json', 'one JSON object on stdout').action(checkPlanFile);
  plan.command('load <file>').description('load a plan, or amend it').action(loadPlanFile);
  const units = program.command('units').description('the union tree');
  units.command('import <file>').description('units from csv or xlsx: code, name, level, parent, members').option('--dry-run', 'check only, write nothing').option('--json', 'one JSON object on stdout').action(importUnitSheet);
  units.command('close <code>').description('close a unit: what it still owes is void from that day on').requiredOption('--on <day>', 'the first day on which it is no more, YYYY-MM-DD').option('--json', 'one JSON object on stdout').action(closeUnitOn);
  const codes = program.command('codes').description('pairing codes');
  codes.command('issue').description('issue pairing codes').option('--unit <code>', 'for one unit').option('--all', 'for every open unit').option('--role <role>', 'chair, member or staff', 'chair')
    .option('--days <n>', 'days until it expires', '30').option('--json', 'a JSON array on stdout').action(issueCodesFor);
  program.command('overdue').description('who is late, and whether they were reached').option('--plan <key>', 'the plan; the current one unless named').option('--unit <code>', 'that unit and everything under it')
    .option('--obligation <key>', 'one obligation').option('--json', 'a JSON array on stdout').action(printOverdue);
  program.command('stats').description('figures by obligation and level').option('--plan <key>', 'the plan; the current one unless named').option('--json', 'a JSON array on stdout').action(printStats);
  program.command('outbox').description('how many messages stand where').option('--json', 'one JSON object on stdout').action(printOutbox);
  const database = program.command('db').description('serve the embedded database alone on loopback').option('--port <n>', 'any free port unless named').option('--compact', 'make the data file smaller instead, while nothing serves it').option('--json', 'one JSON object on stdout').action(serveDatabase);
  database.command('export').description('everything into an empty MongoDB database, counted and hashed').requiredOption('--to <uri>', 'mongodb://host/database').option('--json', 'one JSON object on stdout').action(exportDatabase);
  database.command('import').description('everything from a MongoDB database into the embedded one, which must be empty').requiredOption('--from <uri>', 'mongodb://host/database').option('--json', 'one JSON object on stdout').action(importDatabase);
  program.command('backup <folder>').description('a consistent copy of the embedded database, also while the service runs').action(backUp);
  program.command('restore <folder>').description('a backup into an empty DATA_DIR').action(restore);
  program.command('bench [names...]').description(`the benchmarks, one JSON line for each figure: ${benchNames.join(', ')}`).option('--scale <n>', '1: full size', '1').option('--only <part>', 'only the parts whose name holds this').action(runBenches);
  const zalo = program.command('zalo').description('the Zalo Official Account');
  zalo.command('login').description('put the first pair of tokens: from the environment, or pasted').option('--paste', 'ask for the refresh token').action(loginZalo);
  zalo.command('status').description('what the account may do now').option('--json', 'one JSON object on stdout').action(printZaloStatus);
  for (const command of allCommands(program)) {
    // A group without a command is wrong use, and so is a word too many.
    command.exitOverride().allowExcessArguments(false).showHelpAfterError();
  }
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => allCommands(child as Command))];
}

function readVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
