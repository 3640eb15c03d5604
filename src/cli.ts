#!/usr/bin/env node
import { runCli } from './cli/run.ts';

// The code is set, not exited with: what still stands in stdout's pipe is written first.
process.exitCode = await runCli(process.argv.slice(2));
// After a failure something may still hold the process (an engine whose store never opened): it is given a moment, no more.
setTimeout(() => process.exit(), 2000).unref();
