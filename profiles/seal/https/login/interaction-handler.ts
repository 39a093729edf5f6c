import type { IncomingMessage, ServerResponse } from 'node:http';
import { constantTimeEqual, toBase64Url, utf8 } from '../../../../src/core/bytes.ts';
import { digest } from '../../../../src/core/crypto/index.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import { goneSignal, waitOf } from '../busy.ts';
import { passwordAcr } from './acr.ts';
import type { LoginEvent } from './events.ts';
import { FormError, readForm } from './form.ts';
import type { InteractionOutcome, InteractionProvider, ProviderInteraction } from './interaction-provider.ts';
import type { LoginAttempt, LoginAttempts } from './login-attempts.ts';
import { type LoginPrompt, loginPage, noticePage, type Page } from './page.ts';
import { sendPage, setHeaders } from './send-page.ts';
import type { UserAuthenticator } from './user-authenticator.ts';

/** By which name the provider knows a VAL user. */
export interface AccountNames {
  /** The account of a VAL user who has signed in. */
  accountOf(user: string): Promise<string>;
  /** The VAL user of an account; `undefined`: nobody. */
  userOf(account: string): Promise<string | undefined>;
}

/** What the login of a SIM-S works with. */
export interface InteractionHandlerOptions {
  /** Its `interactions.url` is `/interaction/UID`, as it is when absent. */
  readonly provider: InteractionProvider;
  readonly users: UserAuthenticator;
  readonly attempts: LoginAttempts;
  /** Hears of every login, and of faults, before the request is answered. */
  readonly emit: (event: LoginEvent, request: IncomingMessage) => void;
  /** What the page says that a request is for: its scopes other than `openid` and `offline_access` when absent. */
  readonly services?: (parameters: Readonly<Record<string, unknown>>) => readonly string[];
  /** Where a request comes from: the other end of the connection when absent. A SIM-S behind a proxy reads it off a header that its proxy sets. */
  readonly addressOf?: (request: IncomingMessage) => string;
  /** `loginPage` when absent. */
  readonly page?: (prompt: LoginPrompt) => Page;
  /** What the provider calls a VAL user, and whom it calls so: each by the VAL user ID when absent. */
  readonly accounts?: AccountNames;
}

/** As the provider makes them. */
const uidForm = /^[\w-]{1,64}$/;

/** Bytes that a name may have (TS 33.434, A.2.1.2, of `sub`), and a password. */
const longestName = 255;
const longestPassword = 1024;

/**
 * The login of an OpenID provider, for `GET` and `POST` of `/interaction/UID`: a page with a form, which is checked, and then the authorization goes on.
 *
 * Consent is implied by signing in, since applications of a VAL system are registered by its operator. It is asked for where the request has `prompt=consent`,
 * and where nobody typed a password for this request because the browser is signed in (RFC 8252, Section 8.6: another application on the device may have sent
 * it). A form holds a hash of what the store has of its interaction and the browser has not, and counts only with the cookie of that interaction.
 *
 * The promise is always fulfilled: what fails is an answer without a stack, and an event.
 */
export function interactionHandler(options: InteractionHandlerOptions): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const login = new Login(options);
  return (request, response) => login.handle(request, response);
}

class Login {
  readonly #options: Required<InteractionHandlerOptions>;

  constructor(options: InteractionHandlerOptions) {
    this.#options = { services: scopesOf, addressOf: (request) => request.socket.remoteAddress ?? 'unknown', page: loginPage, accounts: sameNames, ...options };
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#handle(request, response);
    } catch (error) {
      const isForm = error instanceof FormError;
      if (!isForm) this.#options.emit({ type: 'fault', reason: reasonOf(error), detail: messageOf(error) }, request);
      // What is left of a form is not read.
      if (!request.complete && !response.headersSent) response.setHeader('Connection', 'close');
      if (response.headersSent) response.destroy();
      else if (isForm) sendPage(response, error.status, noticePage('That form did not work', 'Go back to the application and sign in from there again.'));
      else sendPage(response, 500, noticePage('Something went wrong here', 'This is not your fault. Wait a little, then sign in from the application again.'));
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method } = request;
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
      response.setHeader('Allow', 'GET, HEAD, POST');
      sendPage(response, 405, noticePage('That is not how to sign in', 'Go back to the application and sign in from there.'));
      return;
    }
    const interaction = await this.#interactionOf(request, response);
    if (interaction === undefined) return;
    // Sent twice, or shown again while it goes on: one login is enough.
    if (interaction.result !== undefined) redirect(response, interaction.returnTo);
    else if (method === 'POST') await this.#answer(interaction, request, response);
    else if (isImplied(interaction)) await this.#consent(interaction, request, response);
    else await this.#show(interaction, response);
  }

  /** The interaction of the path, which the cookie has to be for; else the answer is given. */
  async #interactionOf(request: IncomingMessage, response: ServerResponse): Promise<ProviderInteraction | undefined> {
    const { provider } = this.#options;
    const uid = new URL(request.url ?? '/', 'https://sims.invalid').pathname.split('/').at(-1)!;
    const found = await provider.interactionDetails(request, response).catch((error: unknown) => {
      // By name, so that who only uses the client loads no provider.
      if (error instanceof Error && error.name === 'SessionNotFound') return undefined;
      throw error;
    });
    if (found?.uid === uid) return found;
    const isThere = found === undefined && uidForm.test(uid) && (await provider.Interaction.find(uid)) !== undefined;
    if (isThere && request.headers.cookie === undefined) {
      const advice = 'Signing in needs cookies, and your browser sent none. Allow cookies for this site, then sign in from the application again.';
      sendPage(response, 400, noticePage('Cookies are off', advice));
    } else {
      const reasons = 'It was finished before, took too long, or was begun in another browser.';
      sendPage(response, 404, noticePage('This sign-in is over', reasons, 'Go back to the application and sign in from there again.'));
    }
    return undefined;
  }

  async #show(interaction: ProviderInteraction, response: ServerResponse, status = 200, again: Pick<LoginPrompt, 'username' | 'problem'> = {}): Promise<void> {
    const { provider, services, page, accounts } = this.#options;
    const { uid, params, prompt, session } = interaction;
    const client = await provider.Client.find(String(params['client_id']));
    const kind = prompt.name === 'consent' ? 'consent' : 'login';
    const hint = kind === 'login' ? params['login_hint'] : session === undefined ? undefined : await accounts.userOf(session.accountId);
    const made = page({
      kind,
      // Beside the page itself, wherever the provider is mounted.
      action: uid,
      token: formToken(interaction),
      application: client?.clientName ?? String(params['client_id']),
      services: services(params),
      ...(typeof hint === 'string' ? { username: hint } : {}),
      ...again,
    });
    sendPage(response, status, made, params['redirect_uri']);
  }

  async #answer(interaction: ProviderInteraction, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { provider } = this.#options;
    const fields = await readForm(request);
    if (!constantTimeEqual(utf8(fields.get('token') ?? ''), utf8(formToken(interaction)))) {
      throw new FormError('expected the token of the form of this interaction, got another', 403);
    }
    if (fields.get('answer') === 'cancel') {
      await provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'the user went no further' });
    } else if (interaction.prompt.name === 'consent') await this.#consent(interaction, request, response);
    else await this.#signIn(interaction, fields, request, response);
  }

  async #signIn(interaction: ProviderInteraction, fields: ReadonlyMap<string, string>, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { users, attempts, addressOf, accounts, emit } = this.#options;
    const username = (fields.get('username') ?? '').trim();
    const password = fields.get('password') ?? '';
    const isPossible = username !== '' && utf8(username).length <= longestName && utf8(password).length <= longestPassword;
    const isKnown = isPossible && (await users.knows?.(username)) === true;
    const [client, address] = [String(interaction.params['client_id']), addressOf(request)];
    const who = { ...(isKnown ? { user: username } : {}), client, address };
    const attempt = { username, isKnown, address };
    const decision = await attempts.begin(attempt);
    if (!decision.permit) {
      emit({ type: 'login-refused', reason: 'locked', ...who }, request);
      response.setHeader('Retry-After', String(decision.wait));
      await this.#show(interaction, response, 429, { username, problem: { kind: 'locked', seconds: decision.wait } });
      return;
    }
    const outcome = isPossible ? await this.#authenticate(attempt, password, response) : undefined;
    if (typeof outcome === 'object') {
      emit({ type: 'login-refused', reason: 'locked', ...who }, request);
      response.setHeader('Retry-After', String(outcome.wait));
      sendPage(response, 503, noticePage('This has to wait', 'Too many sign in at the moment. Wait a little, then go back and try again.'));
      return;
    }
    const user = outcome;
    if (user === undefined) {
      emit({ type: 'login-refused', reason: 'credentials', ...who }, request);
      for (const lock of decision.locks) emit({ type: 'login-locked', ...lock, ...(lock.by === 'user' ? who : { client, address }) }, request);
      await this.#show(interaction, response, 403, { username, problem: { kind: 'credentials' } });
      return;
    }
    await attempts.succeeded(attempt);
    emit({ type: 'login', user, client, address }, request);
    await this.#finish(request, response, { login: { accountId: await accounts.accountOf(user), acr: passwordAcr, amr: ['pwd'], remember: false } });
  }

  /** The user; or the seconds after which somebody may look at the password. */
  async #authenticate(attempt: LoginAttempt, password: string, response: ServerResponse): Promise<string | { readonly wait: number } | undefined> {
    const { users, attempts } = this.#options;
    try {
      return await users.authenticate(attempt.username, password, goneSignal(response));
    } catch (error) {
      const wait = waitOf(error);
      if (wait === undefined) throw error;
      // Whoever goes away before it is known pays for it all the same.
      if (!response.destroyed) await attempts.undecided(attempt);
      return { wait };
    }
  }

  /** Grant what the application asks for, and go on. */
  async #consent({ grantId, session, params, prompt }: ProviderInteraction, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { provider } = this.#options;
    const existing = grantId === undefined ? undefined : await provider.Grant.find(grantId);
    const grant = existing ?? new provider.Grant({ accountId: session!.accountId, clientId: String(params['client_id']) });
    const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details as MissingConsent;
    if (missingOIDCScope !== undefined) grant.addOIDCScope(missingOIDCScope.join(' '));
    if (missingOIDCClaims !== undefined) grant.addOIDCClaims([...missingOIDCClaims]);
    for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
    await this.#finish(request, response, { consent: { grantId: await grant.save() } });
  }

  async #finish(request: IncomingMessage, response: ServerResponse, result: InteractionOutcome): Promise<void> {
    setHeaders(response);
    await this.#options.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  }
}

interface MissingConsent {
  readonly missingOIDCScope?: readonly string[];
  readonly missingOIDCClaims?: readonly string[];
  readonly missingResourceScopes?: Readonly<Record<string, readonly string[]>>;
}

const sameNames = { accountOf: async (user: string) => user, userOf: async (account: string) => account };

/** The user has just signed in for this very request, which does not ask to be asked. */
function isImplied({ prompt, lastSubmission, params }: ProviderInteraction): boolean {
  return (
    prompt.name === 'consent' &&
    lastSubmission?.login !== undefined &&
    !String(params['prompt'] ?? '')
      .split(' ')
      .includes('consent')
  );
}

/** `cid` is in the store alone. */
function formToken({ uid, cid }: ProviderInteraction): string {
  return toBase64Url(digest('sha256', utf8(`login form ${uid} ${cid}`)));
}

function scopesOf({ scope }: Readonly<Record<string, unknown>>): readonly string[] {
  return String(scope ?? '')
    .split(' ')
    .filter((name) => name !== '' && name !== 'openid' && name !== 'offline_access');
}

function redirect(response: ServerResponse, to: string): void {
  setHeaders(response);
  response.writeHead(303, { Location: to, 'Content-Length': 0 }).end();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
