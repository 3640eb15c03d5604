import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EmbeddedFailure } from './failure.ts';

/*
 * LMDB trusts its file: a page that is missing or overwritten can end the process when it is touched. So the file is
 * walked here, page by page with plain reads, before LMDB maps it. Layout: lmdb's mdb.c, data version 2.
 */

const MAGIC = 0xbeefc0de;
const HEADER = 24;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;
const BIG_DATA = 1;
const SUB_DATABASE = 2;
const NO_PAGE = 0xffffffffffffffffn;
/** Past this size only the upper levels are walked at start; `checkFolder` reads the rest. */
const WALKED_BYTES = 1024 * 1024 * 1024;

interface Tree {
  depth: number;
  leaves: bigint;
  entries: bigint;
  root: bigint;
}

/** Checks the structure of a data file; throws `EmbeddedFailure` (78) with one line when it is not whole. A file of no bytes is a new one. */
export function checkDataFile(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new EmbeddedFailure(`The data file ${file} cannot be read: ${(error as Error).message}`, 78);
  }
  try {
    const size = fstatSync(descriptor).size;
    if (size > 0) walkFile(descriptor, size);
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new EmbeddedFailure(`The data file ${file} is damaged (${error.message}): nothing was changed; restore a backup into an empty folder`, 78);
  } finally {
    closeSync(descriptor);
  }
}

class Damage extends Error {}

function walkFile(descriptor: number, size: number): void {
  const head = Buffer.alloc(512);
  if (size < 8192 || readSync(descriptor, head, 0, 512, 0) < 512) throw new Damage('it is cut off');
  const pageSize = head.readUInt32LE(48);
  if (head.readUInt32LE(24) !== MAGIC || pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) throw new Damage('it does not begin like a database');
  const second = Buffer.alloc(512);
  readSync(descriptor, second, 0, 512, pageSize);
  const metas = [head, second];
  metas.forEach((meta, i) => {
    if (meta.readBigUInt64LE(0) !== BigInt(i) || (meta.readUInt16LE(18) & META) === 0 || meta.readUInt32LE(24) !== MAGIC) throw new Damage('one of its two heads is broken');
  });
  // The newer head counts; the other one is the state before the last commit.
  const meta = head.readBigUInt64LE(152) >= second.readBigUInt64LE(152) ? head : second;
  const pages = BigInt(Math.floor(size / pageSize));
  const seen = new Set<bigint>();
  const walker = { descriptor, pageSize, pages, seen, leavesToo: size <= WALKED_BYTES };
  walkTree(walker, readTree(meta, 48), false);
  walkTree(walker, readTree(meta, 96), true);
}

interface Walker {
  descriptor: number;
  pageSize: number;
  pages: bigint;
  seen: Set<bigint>;
  leavesToo: boolean;
}

function readTree(bytes: Buffer, at: number): Tree {
  return { depth: bytes.readUInt16LE(at + 6), leaves: bytes.readBigUInt64LE(at + 16), entries: bytes.readBigUInt64LE(at + 32), root: bytes.readBigUInt64LE(at + 40) };
}

function walkTree(walker: Walker, tree: Tree, ordered: boolean): void {
  if (tree.root === NO_PAGE) {
    if (tree.entries !== 0n) throw new Damage('a table has lost its root');
    return;
  }
  if (tree.depth < 1 || tree.depth > 32) throw new Damage('a table has an impossible depth');
  const found = { entries: 0n, leaves: 0n };
  walkPage(walker, tree.root, tree.depth, ordered, found);
  if (walker.leavesToo && (found.entries !== tree.entries || found.leaves !== tree.leaves)) throw new Damage('a table does not hold what its head says');
}

function readPage(walker: Walker, number: bigint): Buffer {
  if (number < 2n || number >= walker.pages) throw new Damage(`page ${number} lies outside the file: it is cut off or overwritten`);
  if (walker.seen.has(number)) throw new Damage(`page ${number} is used twice`);
  walker.seen.add(number);
  const page = Buffer.allocUnsafe(walker.pageSize);
  readSync(walker.descriptor, page, 0, walker.pageSize, Number(number) * walker.pageSize);
  if (page.readBigUInt64LE(0) !== number) throw new Damage(`page ${number} holds something else`);
  return page;
}

function walkPage(walker: Walker, number: bigint, level: number, ordered: boolean, found: { entries: bigint; leaves: bigint }): void {
  if (level === 1 && !walker.leavesToo) return;
  const page = readPage(walker, number);
  const flags = page.readUInt16LE(18) & 0x7f;
  if (flags !== (level === 1 ? LEAF : BRANCH)) throw new Damage(`page ${number} is of the wrong kind`);
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  const room = walker.pageSize - HEADER;
  if (lower % 2 !== 0 || lower > upper || upper > room) throw new Damage(`page ${number} has impossible bounds`);
  const count = lower / 2;
  if (count === 0 || (level > 1 && count < 2)) throw new Damage(`page ${number} is empty`);
  let before: Buffer | undefined;
  if (level === 1) {
    found.leaves++;
    found.entries += BigInt(count);
  }
  for (let i = 0; i < count; i++) {
    const offset = page.readUInt16LE(HEADER + i * 2);
    if (offset < upper || offset + 8 > room || offset % 2 !== 0) throw new Damage(`page ${number} points outside itself`);
    const node = offset + HEADER;
    const low = page.readUInt16LE(node);
    const high = page.readUInt16LE(node + 2);
    const nodeFlags = page.readUInt16LE(node + 4);
    const keySize = page.readUInt16LE(node + 6);
    const keyAt = node + 8;
    if (keyAt + keySize > walker.pageSize) throw new Damage(`a key of page ${number} runs over its end`);
    const key = page.subarray(keyAt, keyAt + keySize);
    // The first key of a branch page is never looked at.
    if (ordered && before !== undefined && !(level > 1 && i === 1) && Buffer.compare(before, key) >= 0) throw new Damage(`the keys of page ${number} are out of order`);
    before = key;
    if (level > 1) {
      walkPage(walker, BigInt(low) | (BigInt(high) << 16n) | (BigInt(nodeFlags) << 32n), level - 1, ordered, found);
      continue;
    }
    const dataSize = low | (high << 16);
    const dataAt = keyAt + keySize;
    if (nodeFlags & BIG_DATA) {
      if (dataAt + 8 > walker.pageSize) throw new Damage(`an entry of page ${number} runs over its end`);
      checkOverflow(walker, page.readBigUInt64LE(dataAt), dataSize);
    } else if (dataAt + dataSize > walker.pageSize) throw new Damage(`an entry of page ${number} runs over its end`);
    else if (nodeFlags & SUB_DATABASE) {
      if (dataSize < 48) throw new Damage(`a table's head on page ${number} is cut off`);
      walkTree(walker, readTree(page, dataAt), true);
    }
  }
}

function checkOverflow(walker: Walker, number: bigint, dataSize: number): void {
  const page = readPage(walker, number);
  const pages = BigInt(page.readUInt32LE(20));
  const needed = BigInt(Math.floor((HEADER - 1 + dataSize) / walker.pageSize) + 1);
  if ((page.readUInt16LE(18) & OVERFLOW) === 0 || pages < needed || number + pages > walker.pages) throw new Damage(`the large value on page ${number} is cut off or overwritten`);
}
