import { CommandFailure } from '../failure.ts';
import type { Doc, Value } from '../value.ts';
import { DateValue, docOf, Double } from '../value.ts';
import type { Command, Engine, Request } from './command.ts';

/** The MongoDB version whose behaviour the engine follows. */
const VERSION = [7, 0, 0, 0];

/** The answer to `hello`; also sent to the legacy form. No replica set, so drivers expect neither transactions nor retries. */
export function helloReply(engine: Engine, connectionId: number, legacy: boolean): Doc {
  return docOf({
    helloOk: true,
    [legacy ? 'ismaster' : 'isWritablePrimary']: true,
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new DateValue(engine.now()),
    logicalSessionTimeoutMinutes: 30,
    connectionId,
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
  });
}

function serverStatus(engine: Engine): Doc {
  const uptime = Math.floor((engine.now() - engine.startedAt) / 1000);
  return docOf({
    host: 'dondoc',
    version: VERSION.slice(0, 3).join('.'),
    process: 'dondoc',
    pid: BigInt(process.pid),
    uptime: new Double(uptime),
    uptimeMillis: BigInt(engine.now() - engine.startedAt),
    localTime: new DateValue(engine.now()),
    connections: docOf({ current: engine.connections() }),
    mem: docOf({ bits: 64, resident: Math.round(process.memoryUsage.rss() / 1048576) }),
    metrics: docOf({ cursor: docOf({ open: docOf({ total: BigInt(engine.cursors.size) }) }) }),
    storageEngine: docOf({ name: 'lmdb', persistent: true }),
  });
}

function buildInfo(): Doc {
  return docOf({
    version: VERSION.slice(0, 3).join('.'),
    gitVersion: 'dondoc embedded engine',
    modules: ['dondoc'],
    versionArray: VERSION,
    bits: 64,
    debug: false,
    maxBsonObjectSize: 16 * 1024 * 1024,
    storageEngines: ['lmdb'],
  });
}

function command(run: (engine: Engine, request: Request) => Doc): Command {
  return { fields: ['*'], run };
}

const nothing = command(() => new Map());

function refuse(message: string, code = 115): Command {
  return command(() => {
    throw new CommandFailure(code, message);
  });
}

/** An engine whose writes fail must not be called healthy: whoever asks is told why. */
function ping({ storage }: Engine): Doc {
  const trouble = storage.trouble();
  if (trouble) throw trouble;
  return new Map();
}

/** Commands of the connection, the session and the server itself; those that would run code or need a replica set are refused. */
export const SESSION_COMMANDS: [string, Command][] = [
  ['hello', command((engine, { connectionId }) => helloReply(engine, connectionId, false))],
  ['isMaster', command((engine, { connectionId }) => helloReply(engine, connectionId, true))],
  ['ismaster', command((engine, { connectionId }) => helloReply(engine, connectionId, true))],
  ['ping', command(ping)],
  ['buildInfo', command(buildInfo)],
  ['buildinfo', command(buildInfo)],
  ['serverStatus', command((engine) => serverStatus(engine))],
  ['startSession', command(() => new Map())],
  ['endSessions', nothing],
  ['refreshSessions', nothing],
  ['killSessions', nothing],
  ['getParameter', command((_engine, { body }) => (body.has('featureCompatibilityVersion') ? docOf({ featureCompatibilityVersion: docOf({ version: '7.0' }) }) : refuseParameter()))],
  ['getCmdLineOpts', command(() => docOf({ argv: ['dondoc'], parsed: new Map<string, Value>() }))],
  ['getLog', command(() => docOf({ totalLinesWritten: 0, log: [] }))],
  ['connectionStatus', command(() => docOf({ authInfo: docOf({ authenticatedUsers: [], authenticatedUserRoles: [] }) }))],
  ['hostInfo', command(() => docOf({ system: docOf({ hostname: 'dondoc' }), os: new Map<string, Value>(), extra: new Map<string, Value>() }))],
  ['whatsmyuri', command((_engine, { connectionId }) => docOf({ you: `127.0.0.1:${connectionId}` }))],
  ['getFreeMonitoringStatus', command(() => docOf({ state: 'disabled' }))],
  ['atlasVersion', refuse('no such command: atlasVersion', 59)],
  ['mapReduce', refuse('mapReduce would run code and is not served by this engine')],
  ['mapreduce', refuse('mapReduce would run code and is not served by this engine')],
  ['eval', refuse('eval would run code and is not served by this engine')],
  ['replSetGetStatus', refuse('not running with --replSet', 76)],
  ['abortTransaction', refuse('transactions are not served by this engine')],
  ['commitTransaction', refuse('transactions are not served by this engine')],
];

function refuseParameter(): never {
  throw new CommandFailure(72, 'no option found to get');
}
