import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Env } from '../../../../src/core/env.ts';
import { TransportError } from '../../../../src/transport/index.ts';
import { noticePage } from '../login/page.ts';
import { sendPage } from '../login/send-page.ts';
import { OpenIdError } from './openid-error.ts';
import type { AuthorizationRequestInit, OpenIdLogin, OpenIdSimC } from './openid-sim-c.ts';

/** A login in the browser of the user. */
export interface BrowserLogin {
  readonly simC: OpenIdSimC;
  /** As the client has it: `http://127.0.0.1:PORT/PATH`. */
  readonly redirectUri: string;
  /** Show the URI to the user, or open it. */
  readonly present: (uri: string) => void | Promise<void>;
  readonly request?: AuthorizationRequestInit;
  readonly env: Pick<Env, 'schedule'>;
  /** Milliseconds that the user has; 5 minutes when absent. */
  readonly timeout?: number;
}

/**
 * Log a user of a native application in: listen on this machine for the redirect, have the user open the URI in a browser, and wait (RFC 8252, Section 7.3). An
 * answer that is not to this request is dropped, and the waiting goes on.
 *
 * @throws {OpenIdError} as `OpenIdSimC.callback`; `ERR_OPENID_TIMEOUT` where the user takes too long; `ERR_OPENID_CONFIG` for a redirect URI that is not here
 * @throws {TransportError} `ERR_TRANSPORT_BIND` where the port is taken
 */
export async function logInByBrowser({ simC, redirectUri, present, request, env, timeout = 300_000 }: BrowserLogin): Promise<OpenIdLogin> {
  const { protocol, hostname, port, pathname } = new URL(redirectUri);
  if (protocol !== 'http:' || (hostname !== '127.0.0.1' && hostname !== '[::1]')) {
    throw new OpenIdError('ERR_OPENID_CONFIG', 'redirectUri: expected one of http on 127.0.0.1 or [::1], got another');
  }
  const uri = await simC.authorizationUri(request);
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 });
  try {
    server.listen(Number(port || 80), hostname.replace(/[[\]]/g, ''));
    await once(server, 'listening');
  } catch (cause) {
    throw new TransportError('ERR_TRANSPORT_BIND', `cannot listen on ${new URL(redirectUri).origin}: ${(cause as Error).message}`, { cause });
  }
  let cancel = (): void => {};
  try {
    const answered = new Promise<OpenIdLogin>((resolve, reject) => {
      cancel = env.schedule(timeout, () => reject(new OpenIdError('ERR_OPENID_TIMEOUT', `expected a login within ${timeout / 1000} seconds, got none`)));
      server.on('request', (incoming, response) => {
        if (incoming.method !== 'GET' || incoming.url?.split('?')[0] !== pathname) response.writeHead(404).end();
        else answer(simC, new URL(incoming.url, redirectUri), response).then((login) => login && resolve(login), reject);
      });
    });
    // Whoever cannot show the URI need not wait.
    answered.catch(() => {});
    await present(uri);
    return await answered;
  } finally {
    cancel();
    server.close();
    // Nobody looks for those who are late any more.
    server.closeAllConnections();
  }
}

async function answer(simC: OpenIdSimC, uri: URL, response: ServerResponse<IncomingMessage>): Promise<OpenIdLogin | undefined> {
  try {
    const login = await simC.callback(uri);
    // TS 33.434 §A.4.2.3: nothing is shown.
    if (login === undefined) response.writeHead(204, { Connection: 'close' }).end();
    else await shown(response, 200, 'You are signed in', 'Close this window and go back to the application.');
    return login;
  } catch (error) {
    await shown(response, 400, 'You are not signed in', 'Go back to the application: it says why, and you can try again from there.');
    throw error;
  }
}

function shown(response: ServerResponse, status: number, title: string, text: string): Promise<void> {
  response.setHeader('Connection', 'close');
  return new Promise((resolve) => {
    response.on('close', resolve);
    sendPage(response, status, noticePage(title, text));
  });
}
