import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { mongo, type Connection } from 'mongoose';
import { Refusal } from '../domain/refusal.ts';
import type { FileStore } from '../ports.ts';

const bucketName = 'files';
const chunkSize = 255 * 1024;

interface FileRow {
  _id: string;
  filename: string;
  length: number;
  metadata: { mime: string; sha256: string };
}

interface ChunkRow {
  _id: mongo.ObjectId;
  files_id: string;
  n: number;
  data: mongo.Binary;
}

/** Files in GridFS under the product's own ids; see {@link FileStore}. A file is there once its description is: that is written last. */
export function createFileStore(connection: Connection): FileStore {
  const database = connection.getClient().db(connection.name);
  const bucket = new mongo.GridFSBucket(database, { bucketName, chunkSizeBytes: chunkSize });
  const files = database.collection<FileRow>(`${bucketName}.files`);
  const chunks = database.collection<ChunkRow>(`${bucketName}.chunks`);

  async function remove(id: string): Promise<void> {
    // The description first: what is half removed is gone, not broken.
    await files.deleteOne({ _id: id });
    await chunks.deleteMany({ files_id: id });
  }

  return {
    async save(id, stream, about, limit) {
      await remove(id); // What a crash in the middle of the same saving left behind.
      // The type says ObjectId; GridFS itself takes any value, and the product's ids are strings.
      const upload = bucket.openUploadStreamWithId(id as unknown as mongo.ObjectId, about.name, { chunkSizeBytes: chunkSize });
      const failed = once(upload, 'error').then(([error]) => Promise.reject(error as Error));
      failed.catch(() => {}); // It is awaited below; here only so that it never counts as unhandled.
      const hash = createHash('sha256');
      let size = 0;
      try {
        for await (const piece of stream) {
          const bytes = Buffer.isBuffer(piece) ? piece : Buffer.from(piece as Uint8Array);
          size += bytes.length;
          if (size > limit) throw new Refusal('file-too-big', { limit: `${Math.floor(limit / 1024 / 1024)} MB` });
          hash.update(bytes);
          if (!upload.write(bytes)) await Promise.race([once(upload, 'drain'), failed]);
        }
        const sha256 = hash.digest('hex');
        upload.options.metadata = { mime: about.mime, sha256 };
        await Promise.race([new Promise<void>((resolve) => { upload.end(() => resolve()); }), failed]);
        return { size, sha256 };
      } catch (error) {
        stream.destroy();
        await upload.abort().catch(() => {}); // It may have failed already; what it wrote goes either way.
        await remove(id);
        throw error;
      }
    },
    async head(id, bytes) {
      const found = await chunks.find({ files_id: id }).sort({ n: 1 }).limit(Math.ceil(bytes / chunkSize)).toArray();
      return Buffer.concat(found.map((chunk) => chunk.data.value())).subarray(0, bytes);
    },
    async describe(id) {
      const row = await files.findOne({ _id: id });
      return row && { name: row.filename, mime: row.metadata.mime, size: row.length, sha256: row.metadata.sha256 };
    },
    async open(id): Promise<Readable> {
      if (!(await files.findOne({ _id: id }))) throw new Refusal('file-gone');
      return bucket.openDownloadStream(id as unknown as mongo.ObjectId);
    },
    remove,
  };
}
