import { type Fetch, logInByForm, OpenIdError, OpenIdSimC } from '../../../../profiles/seal/https/index.ts';
import { utf8 } from '../../../core/bytes.ts';
import { memoryStore } from '../../../store/index.ts';
import { fetchHttps } from '../../../transport/index.ts';
import type { StepResult } from '../step-result.ts';

/** A SIM-S over HTTPS, an application that is registered there, and a VAL user. */
export interface HttpsLoginParties {
  readonly issuer: string;
  /** What the certificate of the SIM-S is signed by, in PEM. */
  readonly ca: string | Uint8Array;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly scope?: string;
  readonly username: string;
  readonly password: string;
}

/** A request over HTTPS, and its answer. */
export interface HttpsExchange {
  readonly path: string;
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** HTTPS, with what came of each request; bytes are those of the bodies. */
export function recordingFetch(ca: string | Uint8Array): { readonly fetch: Fetch; readonly exchanges: HttpsExchange[] } {
  const exchanges: HttpsExchange[] = [];
  const fetch: Fetch = async (uri, init = {}) => {
    const response = await fetchHttps(uri, { ca, ...init });
    const { body = '' } = init;
    const requestBytes = typeof body === 'string' ? utf8(body).length : body.length;
    exchanges.push({ path: new URL(uri).pathname, status: response.status, requestBytes, responseBytes: response.body.length });
    return response;
  };
  return { fetch, exchanges };
}

/** A VAL user logs in over HTTPS by the form of the login page (TS 33.434, 5.2.4 and Annex A). */
export async function* httpsLoginSteps({ ca, username, password, ...parties }: HttpsLoginParties): AsyncGenerator<StepResult> {
  const { redirectUri } = parties;
  const { fetch, exchanges } = recordingFetch(ca);
  const simC = new OpenIdSimC({ ...parties, store: memoryStore(), fetch });
  const step = (name: string, expected: number, detail: string, alsoNeeded: boolean): StepResult => {
    const last = exchanges.at(-1);
    const { requestBytes = 0, responseBytes = 0 } = last ?? {};
    return {
      step: name,
      code: last === undefined ? null : String(last.status),
      requestBytes,
      responseBytes,
      ok: last?.status === expected && alsoNeeded,
      detail,
    };
  };
  const signIn = async (secret: string): Promise<string> => logInByForm({ uri: await simC.authorizationUri(), redirectUri, username, password: secret, fetch });
  let said = 'there was a code';
  await signIn('not the password').catch((error: unknown) => {
    if (!(error instanceof OpenIdError)) throw error;
    said = error.message;
  });
  yield step('VAL user with a wrong password', 403, said, said !== 'there was a code');
  const answer = await signIn(password);
  yield step('VAL user signs in', 303, `${username}, by the form of the login page, without a browser`, true);
  const before = exchanges.length;
  const stranger = new URL(answer);
  stranger.searchParams.set('state', 'another');
  const dropped = (await simC.callback(stranger)) === undefined && exchanges.length === before;
  yield { step: 'answer with another state', code: null, requestBytes: 0, responseBytes: 0, ok: dropped, detail: 'dropped, and nothing is sent' };
  const login = await simC.callback(answer);
  const tokens = exchanges.findLast(({ path }) => path.endsWith('/token'));
  const detail = `ID token for the services ${login?.valServiceIds.join(', ')}; access token; refresh token`;
  const ok = login !== undefined && login.valServiceIds.length > 0 && login.isLasting && tokens?.status === 200;
  yield {
    step: 'code for tokens',
    code: String(tokens?.status ?? null),
    requestBytes: tokens?.requestBytes ?? 0,
    responseBytes: tokens?.responseBytes ?? 0,
    ok,
    detail,
  };
  const first = await simC.accessToken();
  await simC.refresh();
  yield step('refresh', 200, 'a new access token, and a new refresh token', (await simC.accessToken()) !== first);
}
