import type { Socket } from 'node:net';
import { runCommand } from './commands/dispatch.ts';
import type { Engine } from './commands/command.ts';
import { errorFields } from './commands/command.ts';
import { CommandFailure } from './failure.ts';
import type { Doc, Value } from './value.ts';
import { Double } from './value.ts';
import type { Message } from './wire.ts';
import { createFramer, ProtocolViolation, readMessage, wantsAnswer, writeReply } from './wire.ts';

/** Waiting requests of one connection past which its socket is not read any further. */
const MOST_WAITING = 100;

/**
 * Serves one client: its requests one after the other, in order. Whatever bytes come, the worst that happens is that this
 * connection is closed. `finished` resolves when the request in hand is answered.
 */
export function serveConnection(engine: Engine, socket: Socket, connectionId: number, log: (line: string) => void): { finished(): Promise<void> } {
  const framer = createFramer();
  const waiting: Message[] = [];
  let working: Promise<void> = Promise.resolve();
  let busy = false;
  let replies = 0;

  const answer = (form: 'msg' | 'query', responseTo: number, doc: Doc): void => {
    if (!socket.destroyed) socket.write(writeReply(form, responseTo, ++replies, doc));
  };
  const handle = async (message: Message): Promise<void> => {
    try {
      const incoming = readMessage(message);
      const reply = await runCommand(engine, { database: incoming.database, body: incoming.body, connectionId }, log);
      if (!incoming.silent) answer(incoming.form, incoming.requestId, reply);
    } catch (error) {
      if (error instanceof CommandFailure) {
        if (wantsAnswer(message)) answer(message.opCode === 2004 ? 'query' : 'msg', message.requestId, new Map<string, Value>([['ok', new Double(0)], ...errorFields(error)]));
        return;
      }
      if (!(error instanceof ProtocolViolation)) log(`a request failed: ${(error as Error).stack ?? String(error)}`);
      socket.destroy();
    }
  };
  const work = async (): Promise<void> => {
    busy = true;
    for (let message = waiting.shift(); message; message = waiting.shift()) {
      await handle(message);
      if (socket.isPaused() && waiting.length < MOST_WAITING / 2) socket.resume();
    }
    busy = false;
  };

  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    try {
      waiting.push(...framer.push(chunk));
    } catch {
      socket.destroy();
      return;
    }
    if (waiting.length >= MOST_WAITING) socket.pause();
    if (!busy && waiting.length > 0) working = work();
  });
  // A client that goes away in the middle is no event worth a line.
  socket.on('error', () => socket.destroy());
  return { finished: () => working };
}
