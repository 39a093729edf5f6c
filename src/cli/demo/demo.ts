import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnv } from '../../core/env.ts';
import { writeLab } from '../../operate/index.ts';
import { ExitCode } from '../exit.ts';
import { err, out, table, waiting } from '../terminal.ts';
import { ServerProcess } from './servers.ts';
import { demoSteps, type StepResult, widenReading } from './steps.ts';

/** A UDP port of 127.0.0.1 that is free now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

function printStep(number: number, { step, code, ok, detail }: StepResult): void {
  console.log(
    `${ok ? out('green', 'ok  ') : out('red', 'FAIL')} ${String(number).padStart(2)}  ${step.padEnd(34)} ${(code ?? '-').padEnd(5)} ${out('dim', detail)}`,
  );
}

/** `ace-coap demo` */
export async function demoCommand(flags: { readonly json?: boolean; readonly keep?: boolean }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-demo-'));
  const lab = join(folder, 'lab');
  const [asPort, rsPort] = [await freePort(), await freePort()];
  const as = new ServerProcess('as', lab);
  const rs = new ServerProcess('rs', lab);
  const results: StepResult[] = [];
  try {
    await writeLab(lab, { random: systemEnv.random, asPort, rsPort });
    widenReading(lab);
    await Promise.all([as.start(), rs.start()]);
    if (!flags.json) console.log(`An AS on port ${asPort} and an RS on port ${rsPort} of 127.0.0.1, each in a process of its own.\n`);
    const note = (text: string): void => {
      if (!flags.json) console.error(err('dim', `        ${text}`));
    };
    const steps = demoSteps({ lab, rsUri: `coap://127.0.0.1:${rsPort}`, as, rs, note });
    for (
      let next = await waiting('first step', flags.json, () => steps.next());
      !next.done;
      next = await waiting('next step', flags.json, () => steps.next())
    ) {
      const result = next.value;
      results.push(result);
      const { step, code, requestBytes, responseBytes, ok } = result;
      if (flags.json) console.log(JSON.stringify({ step, code, request_bytes: requestBytes, response_bytes: responseBytes, ok }));
      else printStep(results.length, result);
    }
  } finally {
    await Promise.all([as.stop(), rs.stop()]);
    if (flags.keep) console.error(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
  if (!flags.json) {
    const rows = results.map(({ step, code, requestBytes, responseBytes }) => [step, code, requestBytes, responseBytes] as const);
    console.log(`\nBytes of each message on the wire (UDP payload):\n\n${table(['message', 'code', 'request', 'response'], rows)}`);
  }
  if (results.some(({ ok }) => !ok)) process.exitCode = ExitCode.refused;
}
