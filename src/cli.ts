#!/usr/bin/env node
import { runCli } from './cli/run.ts';

// The code is set, not exited with: what still stands in stdout's pipe is written first.
process.exitCode = await runCli(process.argv.slice(2));
