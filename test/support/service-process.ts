import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const root = join(import.meta.dirname, '..', '..');
const program = join(root, 'dist', 'cli.js');

/** The real service in a process of its own. */
export interface ServiceProcess {
  /** Where it listens. */
  address: string;
  /** Everything it wrote to stderr so far. */
  log(): string;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Puts it to sleep, as a machine that swaps or a debugger does; false wakes it. */
  pause(asleep: boolean): void;
  /** Whether it is still there: neither ended nor killed. */
  alive(): boolean;
  /** Tells it to stop; answers the exit code. */
  stop(): Promise<number | null>;
}

/** How the process is started, other than as it stands. */
export interface ProcessOptions {
  /** No file of it grows past so many bytes (rounded up to 512): stands in for a disk that is full, refused by the kernel in the same place. */
  largestFile?: number;
}

/** Starts `dondoc start` and waits until it is ready. Only the given environment and PATH are seen by it. */
export async function startProcess(environment: Record<string, string>, options: ProcessOptions = {}): Promise<ServiceProcess> {
  if (!existsSync(program)) throw new Error('dist/ is missing: run `npm run build` first');
  const port = environment.PORT ?? String(await freePort());
  const [command, ...args] = commandLine(options);
  const child = spawn(command, args, { env: { PATH: process.env.PATH, PORT: port, ...environment }, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const address = `http://127.0.0.1:${port}`;
  // A disk may be full before anybody asked: such a service is up, and says that it is not ready.
  await ready(child, `${address}${options.largestFile === undefined ? '/readyz' : '/healthz'}`, () => log);
  return {
    address,
    log: () => log,
    async kill() {
      child.kill('SIGKILL');
      await ended(child);
    },
    alive: () => child.exitCode === null && child.signalCode === null,
    pause: (asleep) => void child.kill(asleep ? 'SIGSTOP' : 'SIGCONT'),
    async stop() {
      child.kill('SIGTERM');
      return ended(child);
    },
  };
}

/** `exec` keeps the process the one that is killed. The signal of the limit is put aside: a full disk sends none, and the write itself is refused all the same. */
function commandLine({ largestFile }: ProcessOptions): [string, ...string[]] {
  const service: [string, ...string[]] = [process.execPath, program, 'start'];
  return largestFile === undefined ? service : ['sh', '-c', `trap '' XFSZ; ulimit -f ${Math.ceil(largestFile / 512)}; exec "$@"`, 'sh', ...service];
}

/** Runs a command of the program and reads its JSON. Throws with its words when it does not end with 0. */
export async function runCommand(environment: Record<string, string>, ...args: string[]): Promise<unknown> {
  const child = spawn(process.execPath, [program, ...args, '--json'], { env: { PATH: process.env.PATH, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, words] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const code = await ended(child);
  if (code !== 0) throw new Error(`dondoc ${args.join(' ')}: exit ${code}\n${words}`);
  return JSON.parse(out);
}

/** A port nobody listens on at present. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function ready(child: ChildProcess, page: string, log: () => string): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 50) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}\n${log()}`);
    if (await fetch(page).then((answer) => answer.ok, () => false)) return;
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error(`the service did not get ready\n${log()}`);
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
  return child.exitCode;
}
