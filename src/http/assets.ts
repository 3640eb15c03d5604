import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** Where the pages' own files lie: beside this file, in the sources as in the build. */
const pagesFolder = join(import.meta.dirname, 'pages');
const fontsFolder = join(dirname(fileURLToPath(import.meta.resolve('@fontsource/be-vietnam-pro/package.json'))), 'files');

/** The pages' style, script, icon and font under `/assets/`: all shipped with the product, nothing from elsewhere. */
export async function serveAssets(app: FastifyInstance): Promise<void> {
  await app.register(fastifyStatic, { root: pagesFolder, prefix: '/assets/', index: false, maxAge: '5m' });
  await app.register(fastifyStatic, { root: fontsFolder, prefix: '/assets/fonts/', index: false, decorateReply: false, maxAge: '30d', immutable: true });
}
