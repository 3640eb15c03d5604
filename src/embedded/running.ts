import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { EmbeddedFailure } from './failure.ts';

interface Note {
  pid: number;
  token: string;
  startedAt: number;
  uri: string | undefined;
  path: string | undefined;
  port: number | undefined;
  /** Ends with the command that opened it: nobody else builds on it. */
  brief: boolean;
}

/** The mark of an engine on its folder. */
export interface Claim {
  /** Writes where the engine can be reached. */
  announce(place: { uri: string; path: string | undefined; port: number | undefined }): void;
  release(): void;
}

/** How long an engine may take to start before its mark counts as left behind, in milliseconds. */
const STARTING_MS = 30_000;

/**
 * The address of the engine that serves the folder in this or another process, or null. A mark left by a killed process is seen through, and an engine
 * that ends with its command is nobody else's: it is waited for.
 */
export async function findRunning(folder: string): Promise<string | null> {
  const note = readNote(folder);
  if (!note?.uri || note.brief || !isAlive(note.pid)) return null;
  return (await answers(note)) ? note.uri : null;
}

/** Marks the folder as served by this process. Throws `EmbeddedFailure` (69) when another engine serves it. */
export async function claimFolder(folder: string, now: () => number, brief: boolean): Promise<Claim> {
  const file = noteFile(folder);
  const note: Note = { pid: process.pid, token: `${process.pid}-${now()}-${Math.random()}`, startedAt: now(), uri: undefined, path: undefined, port: undefined, brief };
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(note), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw error;
      const other = readNote(folder);
      const alive = other !== undefined && isAlive(other.pid) && (other.uri === undefined ? now() - other.startedAt < STARTING_MS : await answers(other));
      if (alive) throw new EmbeddedFailure(`The database in ${folder} is in use by process ${other.pid}: stop it first, or use its address`, 69);
      rmSync(file, { force: true });
    }
  }
  const mine = (): boolean => readNote(folder)?.token === note.token;
  return {
    announce: (place) => {
      if (!mine()) throw new EmbeddedFailure(`The database in ${folder} was taken by another process that started at the same moment`, 69);
      writeFileSync(file, JSON.stringify({ ...note, ...place }), { mode: 0o600 });
    },
    release: () => {
      if (mine()) rmSync(file, { force: true });
    },
  };
}

/** True when a living process has marked the folder, however briefly. */
export function isClaimed(folder: string): boolean {
  const note = readNote(folder);
  return note !== undefined && isAlive(note.pid);
}

function noteFile(folder: string): string {
  return join(folder, 'engine.json');
}

function readNote(folder: string): Note | undefined {
  try {
    const parsed = JSON.parse(readFileSync(noteFile(folder), 'utf8')) as Partial<Note>;
    return typeof parsed.pid === 'number' ? (parsed as Note) : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The process number may belong to somebody else by now: only an open door counts. */
function answers(note: Note): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = note.path === undefined ? connect(note.port ?? 0, '127.0.0.1') : connect(note.path);
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(2000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
