/** A process that hears signals as servers do, and then does not end by itself. */
import { stopSignal } from '../../src/cli/signals.ts';

const stopped = stopSignal(() => console.log('hangup'));
console.log('ready');
setInterval(() => {}, 60_000);
console.log(await stopped);
