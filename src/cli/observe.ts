import { setTimeout as pause } from 'node:timers/promises';
import { CoapError, OptionNumber, type Response, uintOf } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';
import { type Answer, printAnswer } from './answer.ts';
import { ExitCode } from './exit.ts';
import { aceInit, milliseconds, proxyOf, type RequestFlags, requestOf, sessions, type Wanted, wantedOf, withEndpoint } from './request.ts';
import { interruptible } from './signals.ts';
import { err, type Spinning, spin } from './terminal.ts';

export interface ObserveFlags extends RequestFlags {
  readonly count?: number;
}

/** How long the server has to answer that it knows of the end, in milliseconds. */
const farewell = 500;

/** Give the deregistration time to go out and be answered: a server that does not hear of it would go on sending to a closed port. */
async function settle(pending: () => number): Promise<void> {
  const end = performance.now() + farewell;
  do await pause(10);
  while (pending() > 0 && performance.now() < end);
}

/** Prints answers until enough have come, the server ends it, or the user does. */
async function show(answers: AsyncIterable<Answer>, flags: ObserveFlags, stop: AbortSignal, onFirst: () => void): Promise<void> {
  let seen = 0;
  let last: Answer | undefined;
  try {
    for await (const answer of answers) {
      if (seen === 0) onFirst();
      last = answer;
      printAnswer(answer, { ...flags, stream: true });
      if (++seen === flags.count) return;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== 'ERR_COAP_ABORTED') throw error;
    if (stop.aborted) return;
    // The reason is what the user should read: the time is over.
    throw error.cause instanceof ProtocolError ? error.cause : error;
  }
  if (last === undefined) process.exitCode = ExitCode.noAnswer;
  else if (last.code < 128 && uintOf(last.options, OptionNumber.Observe) === undefined) {
    console.error(err('dim', seen === 1 ? 'the resource cannot be observed: this is its only answer' : 'the server has ended the observation'));
  }
}

async function* answersOf(responses: AsyncIterable<Response>): AsyncGenerator<Answer> {
  for await (const response of responses) yield { ...response, protected: response.association !== undefined };
}

/** Without a configuration: `--timeout` is for the first answer. */
async function observeDirectly(wanted: Wanted, flags: ObserveFlags, stop: AbortSignal, onFirst: () => void): Promise<void> {
  const { timeout } = milliseconds(flags.timeout);
  const late = new AbortController();
  const expire = (): void => late.abort(new CoapError('ERR_COAP_TIMEOUT', `expected a response within ${timeout} ms, got none`));
  const timer = timeout === undefined ? undefined : setTimeout(expire, timeout);
  const heard = (): void => {
    clearTimeout(timer);
    onFirst();
  };
  try {
    await withEndpoint(proxyOf(flags).uri ?? wanted.uri, flags, async (endpoint, protection) => {
      const responses = endpoint.observe(await requestOf(wanted, endpoint, protection), { signal: AbortSignal.any([stop, late.signal]) });
      await show(answersOf(responses), flags, stop, heard);
      await settle(() => (endpoint.stats()['requests'] ?? 0) + (protection?.pending() ?? 0));
    });
  } finally {
    clearTimeout(timer);
  }
}

/** With a configuration, and so with a token. */
async function observeWithToken(wanted: Wanted, flags: ObserveFlags, stop: AbortSignal, spinner: Spinning): Promise<void> {
  const { openConfigured } = await sessions();
  const { client, config } = await openConfigured(flags.config!, {
    verbose: flags.verbose === true,
    qBlock: flags.qBlock === true,
    note: spinner.note,
    uri: wanted.uri,
    tls: flags,
    ...proxyOf(flags),
  });
  try {
    await show(client.observe(wanted.text, { ...aceInit(wanted, config), signal: stop }), flags, stop, spinner.end);
    await settle(() => {
      // What waits for a sequence number is no request of the endpoint yet.
      const { 'endpoint.requests': sent = 0, 'profile2.exchanges': open = 0 } = client.stats();
      return sent + open;
    });
  } finally {
    await client.close();
  }
}

/** `ace-coap observe` */
export async function observeCommand(uri: string, flags: ObserveFlags): Promise<void> {
  const wanted = await wantedOf('GET', uri, flags);
  const spinner = spin(`observe ${uri}`, flags.verbose);
  try {
    await interruptible((stop) =>
      flags.config === undefined ? observeDirectly(wanted, flags, stop, spinner.end) : observeWithToken(wanted, flags, stop, spinner),
    );
  } finally {
    spinner.end();
  }
}
