/** A process that hears signals as servers do, and then does not end by itself. It starts in earnest when its standard input ends. */
import { text } from 'node:stream/consumers';
import { holdHangups, stopSignal } from '../../src/cli/signals.ts';

holdHangups();
process.once('SIGHUP', () => console.log('early'));
console.log('starting');
await text(process.stdin);
const stopped = stopSignal(() => console.log('hangup'));
console.log('ready');
setInterval(() => {}, 60_000);
console.log(await stopped);
