import { accessSync, constants, mkdirSync, statSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedFailure } from './failure.ts';

/**
 * Makes the folder when it is missing (0700) and checks that this process may keep a database there. Throws
 * `EmbeddedFailure` with one readable line: 78 for rights and owners, 69 for a disk that is full.
 */
export function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stats = statSync(folder);
    if (!stats.isDirectory()) throw new EmbeddedFailure(`${folder} is not a folder`, 78);
    const me = process.getuid?.();
    if (me !== undefined && stats.uid !== me) throw new EmbeddedFailure(`The folder ${folder} belongs to another user (${stats.uid}); the database needs one of its own`, 78);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    const probe = join(folder, `.probe-${process.pid}`);
    writeFileSync(probe, Buffer.alloc(4096));
    rmSync(probe, { force: true });
  } catch (error) {
    throw folderFailure(folder, error);
  }
}

/** What the system said about a folder, as one readable line. */
export function folderFailure(folder: string, error: unknown): EmbeddedFailure {
  if (error instanceof EmbeddedFailure) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return new EmbeddedFailure(`The disk of ${folder} is full`, 69);
  if (code === 'EROFS') return new EmbeddedFailure(`The folder ${folder} is read-only`, 78);
  if (code === 'EACCES' || code === 'EPERM') return new EmbeddedFailure(`The folder ${folder} may not be written by this user`, 78);
  if (code === 'ENOTDIR' || code === 'EEXIST') return new EmbeddedFailure(`${folder} is not a folder`, 78);
  return new EmbeddedFailure(`The folder ${folder} cannot be used: ${message.replace(/\s+/g, ' ')}`, 78);
}
