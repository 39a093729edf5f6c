#!/usr/bin/env node
import { holdHangups, serves } from './signals.ts';

// Before anything else is loaded: a SIGHUP ends a process that has said nothing of it.
const words = process.argv.slice(2);
if (serves(words)) holdHangups();
await (await import('./start.ts')).start(words);
