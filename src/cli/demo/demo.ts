import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnv } from '../../core/env.ts';
import { type LabProfile, writeLab } from '../../operate/index.ts';
import { ExitCode } from '../exit.ts';
import { err, out, table, waiting } from '../terminal.ts';
import { ServerProcess } from './servers.ts';
import { demoSteps, type StepResult, widenReading } from './steps.ts';

export interface DemoFlags {
  readonly profile?: LabProfile;
  readonly json?: boolean;
  readonly keep?: boolean;
}

/** The port that was bound, and free again; `undefined`: it was taken. */
function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(undefined));
    socket.bind(wanted, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** A UDP port of 127.0.0.1 that is free now, with a free one above it for sessions. */
async function freePort(): Promise<number> {
  for (;;) {
    const found = await tryPort(0);
    if (found !== undefined && found < 65_535 && (await tryPort(found + 1)) !== undefined) return found;
  }
}

function printStep(number: number, { step, code, ok, detail }: StepResult): void {
  console.log(
    `${ok ? out('green', 'ok  ') : out('red', 'FAIL')} ${String(number).padStart(2)}  ${step.padEnd(34)} ${(code ?? '-').padEnd(5)} ${out('dim', detail)}`,
  );
}

/** `ace-coap demo` */
export async function demoCommand(flags: DemoFlags): Promise<void> {
  const { profile = 'oscore' } = flags;
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-demo-'));
  const lab = join(folder, 'lab');
  const asPort = await freePort();
  let rsPort = await freePort();
  while (Math.abs(rsPort - asPort) <= 1) rsPort = await freePort();
  const as = new ServerProcess('as', lab);
  const rs = new ServerProcess('rs', lab);
  const results: StepResult[] = [];
  try {
    await writeLab(lab, { random: systemEnv.random, asPort, rsPort, profile });
    widenReading(lab);
    await Promise.all([as.start(), rs.start()]);
    if (!flags.json) console.log(`An AS on port ${asPort} and an RS on port ${rsPort} of 127.0.0.1, each in a process of its own.\n`);
    const note = (text: string): void => {
      if (!flags.json) console.error(err('dim', `        ${text}`));
    };
    const steps = demoSteps({ lab, profile, rsUri: `coap://127.0.0.1:${rsPort}`, as, rs, note });
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
