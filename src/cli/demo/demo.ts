import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnv } from '../../core/env.ts';
import { Inspector, Keyring, type Packet } from '../../inspect/index.ts';
import { type LabProfile, writeLab } from '../../operate/index.ts';
import { ExitCode, UsageError } from '../exit.ts';
import type { KeyFlags } from '../inspect/keys.ts';
import { interruptible } from '../signals.ts';
import { err, out, table, waiting } from '../terminal.ts';
import { freePort } from './ports.ts';
import { SealParties } from './seal/parties.ts';
import { sealSteps } from './seal/steps.ts';
import { ServerProcess } from './servers.ts';
import type { StepResult } from './step-result.ts';
import { demoSteps, widenReading } from './steps.ts';

export interface DemoFlags {
  readonly profile?: LabProfile;
  readonly seal?: boolean;
  readonly json?: boolean;
  readonly keep?: boolean;
  /** File for the exchange as a page. */
  readonly html?: string;
}

function printStep(number: number, { step, code, ok, detail }: StepResult): void {
  console.log(
    `${ok ? out('green', 'ok  ') : out('red', 'FAIL')} ${String(number).padStart(2)}  ${step.padEnd(41)} ${(code ?? '-').padEnd(5)} ${out('dim', detail)}`,
  );
}

/** Shows each step as it comes; the exit code says whether all were as they should be. */
async function show(steps: AsyncGenerator<StepResult>, { json = false, seal = false }: DemoFlags): Promise<void> {
  const results: StepResult[] = [];
  const next = (what: string): Promise<IteratorResult<StepResult>> => waiting(what, json, () => steps.next());
  for (let step = await next('first step'); !step.done; step = await next('next step')) {
    const result = step.value;
    results.push(result);
    const { code, requestBytes, responseBytes, ok } = result;
    if (json) console.log(JSON.stringify({ step: result.step, code, request_bytes: requestBytes, response_bytes: responseBytes, ok }));
    else printStep(results.length, result);
  }
  if (!json) {
    const rows = results
      .filter(({ requestBytes }) => requestBytes > 0)
      .map(({ step, code, requestBytes, responseBytes }) => [step, code, requestBytes, responseBytes] as const);
    const what = `UDP payload${seal ? '; over TLS and HTTPS the body' : ''}`;
    console.log(`\nBytes of each message on the wire (${what}):\n\n${table(['message', 'code', 'request', 'response'], rows)}`);
  }
  if (results.some(({ ok }) => !ok)) process.exitCode = ExitCode.refused;
}

/** `ace-coap demo` */
export async function demoCommand(flags: DemoFlags): Promise<void> {
  if (flags.seal && flags.html !== undefined) throw new UsageError('--html: expected the demo of AS and RS, got --seal');
  const ended = await interruptible(async (stop) => {
    await (flags.seal ? sealDemo(flags, stop) : aceDemo(flags, stop));
    return stop.aborted ? (stop.reason as NodeJS.Signals) : undefined;
  });
  // All that ran is down and nothing is left behind: whoever called sees what ended it.
  if (ended !== undefined) process.kill(process.pid, ended);
}

/** Done when the work is, or the user has seen enough; what is under way then ends with the process. */
async function untilAborted(stop: AbortSignal, work: Promise<void>): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([work, aborted]);
}

/** The sessions of this process put their keys into a file, so that the page can show what is in them. */
function logKeys(folder: string): string {
  const file = process.env['SSLKEYLOGFILE'] || join(folder, 'keys.log');
  process.env['SSLKEYLOGFILE'] = file;
  return file;
}

/** What the client has sent and got, as a page. */
async function drawPage(file: string, packets: readonly Packet[], keys: KeyFlags): Promise<void> {
  const { keysOf } = await import('../inspect/keys.ts');
  const { Output } = await import('../inspect/output.ts');
  const { keys: known, roles } = await keysOf(keys);
  const inspector = new Inspector(new Keyring(known), { roles });
  const output = new Output(inspector, { html: file }, { isLive: false, title: 'ace-coap demo' });
  for (const packet of packets) output.entries(inspector.packet(packet));
  inspector.finish();
  output.finish();
}

/** A SEAL system in this process. */
async function sealDemo(flags: DemoFlags, stop: AbortSignal): Promise<void> {
  const parties = await SealParties.start();
  try {
    const { simSUri, skmsUri, spatialUri, proxyUri, https } = parties;
    if (!flags.json)
      console.log(
        `SIM-S ${simSUri}\nSKM-S ${skmsUri}\nspatial anchors ${spatialUri}/su-san/v1/anchors\nproxy ${proxyUri}\nSIM-S ${https.issuer}\nSKM-S ${https.apiRoot}\n`,
      );
    await untilAborted(stop, show(sealSteps(parties), flags));
  } finally {
    await parties.close();
  }
}

/** An AS and an RS, each in a process of its own. */
async function aceDemo(flags: DemoFlags, stop: AbortSignal): Promise<void> {
  const { profile = 'oscore' } = flags;
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-demo-'));
  const lab = join(folder, 'lab');
  const asPort = await freePort();
  let rsPort = await freePort();
  while (Math.abs(rsPort - asPort) <= 1) rsPort = await freePort();
  const as = new ServerProcess('as', lab);
  const rs = new ServerProcess('rs', lab);
  try {
    await writeLab(lab, { random: systemEnv.random, asPort, rsPort, profile });
    widenReading(lab);
    const keyLog = flags.html !== undefined && profile !== 'oscore' ? logKeys(folder) : undefined;
    await untilAborted(
      stop,
      Promise.all([as.start(), rs.start()]).then(() => {}),
    );
    if (stop.aborted) return;
    if (!flags.json) console.log(`An AS on port ${asPort} and an RS on port ${rsPort} of 127.0.0.1, each in a process of its own.\n`);
    const note = (text: string): void => {
      if (!flags.json) console.error(err('dim', `        ${text}`));
    };
    const packets: Packet[] = [];
    const steps = demoSteps({ lab, profile, rsUri: `coap://127.0.0.1:${rsPort}`, as, rs, note, pass: (packet) => packets.push(packet) });
    await untilAborted(stop, show(steps, flags));
    if (flags.html !== undefined && !stop.aborted) await drawPage(flags.html, packets, { config: lab, ...(keyLog === undefined ? {} : { keyLog }) });
  } finally {
    await Promise.all([as.close(), rs.close()]);
    if (flags.keep) console.error(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}
