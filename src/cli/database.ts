import { copyFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../config.ts';
import { openDesk, putOut, putWords, type Desk } from './desk.ts';
import { CliFailure, exitCodes } from './exit.ts';

/** `dondoc db`: serves the embedded database alone on loopback until it is stopped; while a service runs on the same folder, says where that one is. */
export async function serveDatabase(options: { port?: string; json?: boolean; compact?: boolean }): Promise<void> {
  const desk = await openEmbeddedDesk();
  if (options.compact) {
    const [{ compactFolder }, { databaseFolder: folderOf }] = await Promise.all([import('../embedded/server.ts'), import('../house.ts')]);
    const { before, after } = await compactFolder(folderOf(desk.config));
    if (options.json) await putOut(JSON.stringify({ before, after }));
    else putWords(desk.say('cli.compacted', { before, after }));
    return;
  }
  if (options.port !== undefined && !(/^\d{1,5}$/.test(options.port) && Number(options.port) <= 65_535)) throw new CliFailure(exitCodes.wrongUse, ['db: --port is a whole number from 0 to 65535']);
  const [{ findRunning, openEmbedded }, { databaseFolder }] = await Promise.all([import('../embedded/server.ts'), import('../house.ts')]);
  const folder = databaseFolder(desk.config);
  const print = (uri: string): Promise<void> => putOut(options.json ? JSON.stringify({ uri }) : uri);
  const running = await findRunning(folder);
  if (running !== null) {
    await print(running);
    return;
  }
  const engine = await openEmbedded({ folder, port: Number(options.port ?? 0) });
  try {
    await print(engine.uri);
    putWords(desk.say('cli.database-served'));
    await new Promise<void>((done) => {
      process.once('SIGTERM', () => done());
      process.once('SIGINT', () => done());
    });
  } finally {
    await engine.stop();
  }
}

/** `dondoc backup`: a consistent copy, also while the service runs; the secret that codes and links rest on goes with it. */
export async function backUp(target: string): Promise<void> {
  const desk = await openEmbeddedDesk();
  const [{ backupFolder }, { databaseFolder }] = await Promise.all([import('../embedded/backup.ts'), import('../house.ts')]);
  const folder = databaseFolder(desk.config);
  if ((await namesIn(folder)).length === 0) throw new CliFailure(exitCodes.badConfig, [desk.say('cli.no-database', { folder })]);
  // The data file takes several processes: the copy is of one moment, whoever writes meanwhile.
  const copied = await backupFolder(folder, target);
  await copySecret(desk.config.dataDir, resolve(target));
  putWords(desk.say('cli.backed-up', { folder: resolve(target), documents: copied.documents }));
}

/** `dondoc restore`: into an empty data folder only, so that nothing is ever written over. */
export async function restore(source: string): Promise<void> {
  const desk = await openEmbeddedDesk();
  const { dataDir } = desk.config;
  if ((await namesIn(dataDir)).length > 0) throw new CliFailure(exitCodes.badConfig, [desk.say('cli.not-empty', { folder: dataDir })]);
  const [{ restoreFrom }, { databaseFolder }] = await Promise.all([import('../embedded/backup.ts'), import('../house.ts')]);
  const copied = await restoreFrom(source, databaseFolder(desk.config));
  await copySecret(resolve(source), dataDir);
  putWords(desk.say('cli.restored', { folder: dataDir, documents: copied.documents }));
}

/** `dondoc db export`: everything into a MongoDB database that is empty, counted and hashed. */
export async function exportDatabase(options: { to: string; json?: boolean }): Promise<void> {
  await transfer((own) => ({ from: own, to: options.to }), options.json === true);
}

/** `dondoc db import`: everything from a MongoDB database into the embedded one, which must be empty. */
export async function importDatabase(options: { from: string; json?: boolean }): Promise<void> {
  await transfer((own) => ({ from: options.from, to: own }), options.json === true);
}

async function transfer(direct: (own: string) => { from: string; to: string }, json: boolean): Promise<void> {
  const desk = await openEmbeddedDesk();
  const [{ findRunning, openEmbedded }, { transferDatabase }, { databaseFolder }] = await Promise.all([import('../embedded/server.ts'), import('../store/transfer.ts'), import('../house.ts')]);
  const folder = databaseFolder(desk.config);
  const running = await findRunning(folder);
  const engine = running === null ? await openEmbedded({ folder }) : null;
  try {
    const { from, to } = direct(running ?? (engine?.uri as string));
    const done = await transferDatabase(from, to);
    if (json) await putOut(JSON.stringify(done));
    else putWords(desk.say('cli.transferred', { documents: done.documents, collections: done.collections.length }));
  } finally {
    await engine?.stop();
  }
}

/** The commands of the embedded database have nothing to do where a server is used. */
async function openEmbeddedDesk(): Promise<Desk & { config: Config & { mongodbUri: null } }> {
  const desk = await openDesk();
  if (desk.config.mongodbUri !== null) throw new CliFailure(exitCodes.wrongUse, [desk.say('cli.not-embedded')]);
  return desk as Desk & { config: Config & { mongodbUri: null } };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function copySecret(from: string, to: string): Promise<void> {
  if ((await namesIn(from)).includes('secret')) await copyFile(join(from, 'secret'), join(to, 'secret'));
}
