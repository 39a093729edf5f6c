import { createSocket } from 'node:dgram';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeHints, tokenParameters } from '../../ace/index.ts';
import type { AceClient } from '../../client/index.ts';
import { decodeMessage, encodeMessage, formatCode, type Peer } from '../../coap/index.ts';
import { equalBytes, fromUtf8 } from '../../core/bytes.ts';
import { decode } from '../../core/cbor.ts';
import { systemEnv } from '../../core/env.ts';
import { readKnownMap } from '../../core/known-map.ts';
import type { Packet } from '../../inspect/index.ts';
import type { LabProfile } from '../../operate/index.ts';
import { openClient } from '../session.ts';
import { type RecordedExchange, Recorder } from './recorder.ts';
import { runCli, type ServerProcess } from './servers.ts';
import { result, type StepResult } from './step-result.ts';

export interface Stage {
  readonly lab: string;
  readonly profile: LabProfile;
  readonly rsUri: string;
  readonly as: ServerProcess;
  readonly rs: ServerProcess;
  readonly note: (text: string) => void;
  /** Takes what the client of this process sends and gets. */
  readonly pass?: (packet: Packet) => void;
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
/** Long enough for a datagram on loopback to be handled and logged. */
const settled = 250;
/** Until an RS has to have heard of a revocation. */
const patience = 3_000;

/** Whether it was in a DTLS session, or shows the codes that OSCORE shows to all. */
const protectedBytes = (exchange: RecordedExchange): boolean =>
  exchange.peer.association !== undefined ? exchange.wire.datagram !== exchange.request : exchange.outerCode === '2.04' || exchange.outerCode === '2.05';

/** Lengths of what the RS answers to an upload (RFC 9203 Section 4.2). */
function uploadAnswer(response: Uint8Array): { readonly nonce2: number; readonly recipientId: number | undefined } {
  const { nonce2, aceServerRecipientId } = readKnownMap('answer to the upload', tokenParameters, decode(decodeMessage(response).payload)).known;
  return { nonce2: nonce2?.length ?? 0, recipientId: aceServerRecipientId?.length };
}

function watching({ emit, wrap, wrapBelow }: Recorder): Pick<Recorder, 'emit' | 'wrap' | 'wrapBelow'> {
  return { emit, wrap, wrapBelow };
}

/** Steps 1 to 4: from a URI to the answer. */
async function* dance(client: AceClient, recorder: Recorder, stage: Stage): AsyncGenerator<StepResult> {
  const response = await client.fetch(`${stage.rsUri}/temperature`);
  const probe = recorder.exchanges('probe').at(-1);
  const hints = probe?.response === undefined ? undefined : decodeHints(decodeMessage(probe.response).payload);
  yield result(
    'GET without a token',
    '4.01',
    probe,
    `hints: AS ${hints?.as}, audience ${hints?.audience}`,
    hints?.as !== undefined && hints.audience === 'rs1',
  );
  const token = recorder.exchanges('token-request').at(-1);
  const withOscore = stage.profile === 'oscore';
  yield result(
    `token request over ${withOscore ? 'OSCORE' : 'DTLS'}`,
    '2.01',
    token,
    withOscore ? `${recorder.exchanges('token-request').length} exchanges, the first to show freshness` : 'in a session of its own',
    token !== undefined && protectedBytes(token),
  );
  const upload = recorder.exchanges('upload').at(-1);
  const answer = upload?.response === undefined || !withOscore ? undefined : uploadAnswer(upload.response);
  yield result(
    'upload to /authz-info',
    '2.01',
    upload,
    withOscore ? `nonce2 of ${answer?.nonce2 ?? 0} bytes, server recipient id of ${answer?.recipientId ?? 0}` : 'then the handshake with the key of the token',
    !withOscore || ((answer?.nonce2 ?? 0) > 0 && answer?.recipientId !== undefined),
  );
  const get = recorder.exchanges('request').at(-1);
  yield result('protected GET', '2.05', get, `"${response.text()}"`, get !== undefined && protectedBytes(get) && response.protected);
}

/** Step 5: what the token does not cover. */
async function* refusals(client: AceClient, recorder: Recorder, { rsUri }: Stage): AsyncGenerator<StepResult> {
  const outside = { upgrade: false } as const;
  let mark = recorder.mark;
  await client.fetch(`${rsUri}/led`, { ...outside, method: 'PUT', payload: 'on' });
  yield result('PUT outside the scope', '4.05', recorder.exchanges('request', mark).at(-1), 'the token covers /led, but not PUT');
  mark = recorder.mark;
  await client.fetch(`${rsUri}/config`, outside);
  yield result('path outside the scope', '4.03', recorder.exchanges('request', mark).at(-1), 'the token does not cover /config');
}

/** Step 6: more rights for the context that lives. */
async function* update(client: AceClient, recorder: Recorder, { rsUri, profile }: Stage): AsyncGenerator<StepResult> {
  const mark = recorder.mark;
  const inUse = (): string[] => (profile === 'oscore' ? recorder.nonces().map(senderOf) : recorder.sessions());
  const contexts = new Set(inUse());
  const what = profile === 'oscore' ? 'context' : 'session';
  await client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' });
  const token = recorder.exchanges('token-request', mark).at(-1);
  yield result('token request for more rights', '2.01', token, `req_cnf names the key of the ${what}`);
  const upload = recorder.exchanges('update', mark).at(-1);
  yield result('update of access rights', '2.01', upload, `uploaded over the ${what} itself`, upload !== undefined && protectedBytes(upload));
  const put = recorder.exchanges('request', mark).at(-1);
  const same = inUse().every((sender) => contexts.has(sender));
  const led = (await client.fetch(`${rsUri}/led`)).text();
  yield result('PUT after the update', '2.04', put, `the LED is ${led}, the ${what} is ${same ? 'the same' : 'another one'}`, led === 'on' && same);
}

const senderOf = (nonce: string): string => nonce.slice(0, nonce.lastIndexOf(' '));

/** Send a datagram from a socket of its own and wait for the answer. */
function fromAnotherPort(datagram: Uint8Array, { address, port }: Peer, patience = 3000): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => socket.close(() => resolve(undefined)), patience);
    socket.once('error', reject);
    socket.once('message', (answer) => {
      clearTimeout(timer);
      socket.close(() => resolve(Uint8Array.from(answer)));
    });
    socket.send(datagram, port, address);
  });
}

/** Step 7 with DTLS: a record is good once, and from nowhere else; nobody answers another. */
async function* recordReplays(client: AceClient, recorder: Recorder, { rsUri, rs }: Stage): AsyncGenerator<StepResult> {
  const mark = recorder.mark;
  await client.fetch(`${rsUri}/temperature`);
  const { wire } = recorder.exchanges('request', mark).at(-1)!;
  await pause(settled);
  const served = rs.served('/temperature');
  const untouched = (): boolean => rs.served('/temperature') === served;
  const said = (): string => `no answer, the handler was ${untouched() ? 'not called' : 'called'}`;
  const silent = (step: string, answerBytes: number): StepResult => ({
    step,
    code: null,
    requestBytes: wire.datagram.length,
    responseBytes: answerBytes,
    ok: answerBytes === 0 && untouched(),
    detail: said(),
  });
  const refusal = await fromAnotherPort(wire.datagram, wire.peer, 2 * settled);
  yield silent('replay from another port', refusal?.length ?? 0);
  const before = recorder.receivedBelow;
  recorder.resend(wire);
  await pause(settled);
  yield silent('the identical datagram again', recorder.receivedBelow - before);
}

/** Step 7: a recorded message is sent again, as another request and as the same. */
async function* replays(client: AceClient, recorder: Recorder, { rsUri, rs }: Stage): AsyncGenerator<StepResult> {
  const mark = recorder.mark;
  await client.fetch(`${rsUri}/temperature`);
  const recorded = recorder.exchanges('request', mark).at(-1)!;
  await pause(settled);
  const served = rs.served('/temperature');
  const message = decodeMessage(recorded.request);
  const disguised = encodeMessage({ ...message, id: (message.id + 0x4000) & 0xffff, token: systemEnv.random(message.token.length || 4) });
  const refusal = await fromAnotherPort(disguised, recorded.peer);
  const answer = refusal === undefined ? undefined : decodeMessage(refusal);
  await pause(settled);
  const text = answer === undefined ? '' : fromUtf8(answer.payload);
  const untouched = rs.served('/temperature') === served;
  yield {
    step: 'replay from another port',
    code: answer === undefined ? null : formatCode(answer.code),
    requestBytes: disguised.length,
    responseBytes: refusal?.length ?? 0,
    ok: answer !== undefined && formatCode(answer.code) === '4.01' && text === 'Replay detected' && untouched,
    detail: `"${text}", the handler was ${untouched ? 'not called' : 'called'}`,
  };
  const before = recorder.mark;
  recorder.resend(recorded.wire);
  await pause(settled);
  const again = recorder.received(before)[0];
  const same = again !== undefined && recorded.response !== undefined && equalBytes(again, recorded.response);
  const stillUntouched = rs.served('/temperature') === served;
  yield {
    step: 'the identical datagram again',
    code: again === undefined ? null : recorded.code,
    requestBytes: recorded.request.length,
    responseBytes: again?.length ?? 0,
    ok: same && stillUntouched,
    detail: `${same ? 'the same answer' : 'another answer'}, the handler was ${stillUntouched ? 'not called' : 'called'}`,
  };
}

/** Step 8: AS and RS go away and come back; the command line goes on. */
async function* restart(client: AceClient, recorder: Recorder, stage: Stage): AsyncGenerator<StepResult> {
  stage.note('AS and RS restart');
  await Promise.all([stage.as.stop(), stage.rs.stop()]);
  await Promise.all([stage.as.start(), stage.rs.start()]);
  const run = await runCli(['get', `${stage.rsUri}/temperature`, '--config', stage.lab, '-v', '--json']);
  const printed = run.stdout.trim() === '' ? undefined : (JSON.parse(run.stdout) as { readonly code: string; readonly protected: boolean });
  const sizes = [...run.stderr.matchAll(/^(-->|<--) \S+ {2}(\d+) bytes/gm)].map(([, arrow, bytes]) => ({ out: arrow === '-->', bytes: Number(bytes) }));
  const cli = [...run.stderr.matchAll(/^--> (\S+)[\s\S]*?OSCORE: piv ([0-9a-f]+), kid ([0-9a-f]*)/gm)].map(([, peer, piv, kid]) => `${peer} ${kid} ${piv}`);
  const mark = recorder.mark;
  await client.fetch(`${stage.rsUri}/temperature`);
  const nonces = [...recorder.nonces().map((nonce) => nonce.replace(/^\w+:/, '')), ...cli];
  const withOscore = stage.profile === 'oscore';
  const last = recorder.exchanges('request', mark).at(-1);
  // The command line shows messages: their records are longer by as much as those of this client.
  const record = last === undefined ? 0 : last.requestBytes - last.request.length;
  const unique = new Set(nonces).size === nonces.length && (cli.length > 0 || !withOscore);
  yield {
    step: 'CLI after a restart of AS and RS',
    code: printed?.code ?? null,
    requestBytes: record + (sizes.findLast(({ out }) => out)?.bytes ?? 0),
    responseBytes: record + (sizes.findLast(({ out }) => !out)?.bytes ?? 0),
    ok: run.code === 0 && printed?.code === '2.05' && printed.protected,
    detail: `exit code ${run.code}, ${withOscore ? `${cli.length} protected requests` : 'in a session of its own'}`,
  };
  yield result(
    'client after the restart',
    '2.05',
    last,
    withOscore
      ? `${nonces.length} protected requests, ${unique ? 'no number used twice' : 'a number was used twice'}`
      : 'in a new session, with the key that it had',
    unique,
  );
}

/** Seconds: short to wait for, and long enough for a token to be fetched and used on a busy machine. */
const shortLife = 3;

/** Step 9: the token ends. */
async function* expiry(stage: Stage): AsyncGenerator<StepResult> {
  stage.note(`AS restarts with tokens of ${shortLife} seconds`);
  const file = join(stage.lab, 'as.yaml');
  await stage.as.stop();
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^token_lifetime: .*$/m, `token_lifetime: ${shortLife}`));
  await stage.as.start();
  const recorder = new Recorder(stage.pass);
  // A clock that stands still: this client does not know that its token has ended.
  const started = systemEnv.epoch();
  const client = await openClient(stage.lab, { env: { ...systemEnv, epoch: () => started }, ...watching(recorder) });
  try {
    const fresh = { scope: 'r_temp' };
    await client.fetch(`${stage.rsUri}/temperature`, fresh);
    yield result(`protected GET with a token of ${shortLife} s`, '2.05', recorder.exchanges('request').at(-1), 'while it lasts');
    stage.note('waiting for the token to end');
    await pause(1000 * shortLife + 500);
    const mark = recorder.mark;
    await client.fetch(`${stage.rsUri}/temperature`, fresh);
    yield result('the same after its expiry', '4.01', recorder.exchanges('request', mark)[0], 'what it authorized ended with the token');
  } finally {
    await client.close();
  }
}

/** Step 10: a token for a refresh token. */
async function* refresh(client: AceClient, recorder: Recorder): AsyncGenerator<StepResult> {
  const first = await client.token({ audience: 'rs1' });
  const mark = recorder.mark;
  const next = await client.token({ audience: 'rs1', refresh: true });
  const rotated = first.refreshToken !== undefined && next.refreshToken !== undefined && !equalBytes(first.refreshToken, next.refreshToken);
  const detail = `another token, and ${rotated ? 'another' : 'no other'} refresh token`;
  yield result('token for a refresh token', '2.01', recorder.exchanges('token-request', mark).at(-1), detail, rotated);
}

/** Step 11: an administrator revokes what was given; the RS hears of it, and the client starts anew. */
async function* revocation(client: AceClient, recorder: Recorder, { lab, rsUri, rs, note }: Stage): AsyncGenerator<StepResult> {
  note('an administrator revokes the tokens of the client');
  const admin = (act: string, object: string): ReturnType<typeof runCli> =>
    runCli(['admin', 'token', act, object, '--json', '--config', join(lab, 'admin.yaml')]);
  const listed = (await admin('list', 'client1')).stdout.trimEnd().split('\n');
  const runs = await Promise.all(listed.map((line) => admin('remove', (JSON.parse(line) as { readonly id: string }).id)));
  for (let waited = 0; rs.revoked === 0 && waited < patience; waited += settled) await pause(settled);
  const mark = recorder.mark;
  const response = await client.fetch(`${rsUri}/temperature`);
  // A session is gone without a word: then it is the next request without one that is refused.
  const refused = ['request', 'probe'].flatMap((at) => recorder.exchanges(at, mark)).find(({ code }) => code === '4.01');
  const done = runs.some(({ code }) => code === 0) && formatCode(response.code) === '2.05';
  yield result('protected GET after the revocation', '4.01', refused, 'the RS had heard of it; with a new token it is 2.05 again', done);
}

/** Steps 10 and 11, with servers that are configured for them. */
async function* laterWishes(stage: Stage): AsyncGenerator<StepResult> {
  stage.note('AS and RS restart, with refresh tokens and a revocation list');
  await Promise.all([stage.as.stop(), stage.rs.stop()]);
  offerRefreshing(stage.lab);
  await stage.as.start();
  await stage.rs.start();
  const recorder = new Recorder(stage.pass);
  const client = await openClient(stage.lab, watching(recorder));
  try {
    yield* refresh(client, recorder);
    await client.fetch(`${stage.rsUri}/temperature`);
    yield* revocation(client, recorder, stage);
  } finally {
    await client.close();
  }
}

/** Let the scope that reads the temperature read the LED too: a token for the first then covers a path of which it may not use every method. */
export function widenReading(lab: string): void {
  const file = join(lab, 'rs.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('r_temp: { /temperature: [GET] }', 'r_temp: { /temperature: [GET], /led: [GET] }'));
}

/** Let the client have refresh tokens and tokens that last, and let the RS follow the revocation list. */
function offerRefreshing(lab: string): void {
  const as = join(lab, 'as.yaml');
  const grants = 'grant_types: [client_credentials, refresh_token]';
  const text = readFileSync(as, 'utf8')
    .replace(/^token_lifetime: .*$/m, 'token_lifetime: 3600')
    .replace(/^ {2}client1:$/m, `  client1:\n    ${grants}`);
  writeFileSync(as, `${text}\n${grants}\nrefresh_tokens: { client_credentials: true }\n`);
  appendFileSync(join(lab, 'rs.yaml'), '\nrevocation: { observe: true }\n');
}

/** All that the demo shows, in order. */
export async function* demoSteps(stage: Stage): AsyncGenerator<StepResult> {
  const recorder = new Recorder(stage.pass);
  const client = await openClient(stage.lab, watching(recorder));
  try {
    yield* dance(client, recorder, stage);
    yield* refusals(client, recorder, stage);
    yield* update(client, recorder, stage);
    yield* (stage.profile === 'oscore' ? replays : recordReplays)(client, recorder, stage);
    yield* restart(client, recorder, stage);
  } finally {
    await client.close();
  }
  yield* expiry(stage);
  yield* laterWishes(stage);
}
