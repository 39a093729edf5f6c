import { Agent, request } from 'node:https';
import { application, codeVerifier } from './oidc-application.ts';
import { median, medianRatio, type Row, rounded, summary } from './row.ts';
import type { Run } from './run.ts';
import { ServerProcess } from './server-process.ts';

/** Requests under way at once, each on a connection of its own that stays open. */
const outstanding = 16;
/** Codes that are there at once: the adapter of the library keeps a thousand entries, of which a code takes three. */
const codesAtOnce = 192;
/** Of each round; before those that count one more opens the connections. */
const batches = 6;
/** The rounds before the first that counts: until then each server compiles what it does often. */
const warming = 4;

interface Entrant {
  readonly server: ServerProcess;
  readonly ca: string;
  /** CPU time of a request of each round, in microseconds. */
  readonly costs: number[];
}

type Fields = Readonly<Record<string, string>>;
/** Asks for tokens, and gives the refresh token among them. */
type Ask = (fields: Fields) => Promise<string>;
/** Asks `count` times from so many codes on, and tells how often it did. */
type Batch = (ask: Ask, codes: readonly string[]) => Promise<number>;

async function start(name: string): Promise<Entrant> {
  const server = await ServerProcess.start('oidc-token', [], [name]);
  const { ca } = await server.ask<{ readonly ca: string }>('ca');
  return { server, ca, costs: [] };
}

const basic = `Basic ${btoa(`${application.clientId}:${encodeURIComponent(application.secret)}`)}`;

function tokenRequest(port: number, ca: string, agent: Agent, fields: Fields): Promise<string> {
  const body = new URLSearchParams({ ...fields, client_id: application.clientId }).toString();
  const headers = { authorization: basic, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/token', method: 'POST', agent, ca, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject).on('end', () => {
        const { id_token, access_token, refresh_token } = (response.statusCode === 200 ? JSON.parse(text) : {}) as Readonly<Record<string, unknown>>;
        if (typeof id_token === 'string' && typeof access_token === 'string' && typeof refresh_token === 'string') resolve(refresh_token);
        else reject(new Error(`expected three tokens, got ${response.statusCode} ${text}`));
      });
    })
      .on('error', reject)
      .end(body);
  });
}

const exchange = (ask: Ask, code: string): Promise<string> =>
  ask({ grant_type: 'authorization_code', code, redirect_uri: application.redirectUri, code_verifier: codeVerifier });

/** Each code once. */
const exchanges: Batch = async (ask, codes) => {
  const left = [...codes];
  const work = async (): Promise<void> => {
    for (let code = left.pop(); code !== undefined; code = left.pop()) await exchange(ask, code);
  };
  await Promise.all(Array.from({ length: outstanding }, work));
  return codes.length;
};

/** One round. What is done before a batch, to have codes or refresh tokens, does not count. */
async function round({ server, ca }: Entrant, grant: 'code' | 'refresh', quick: boolean): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: outstanding });
  const ask: Ask = (fields) => tokenRequest(server.port, ca, agent, fields);
  const codesOf = async (count: number): Promise<readonly string[]> => (await server.ask<{ readonly codes: readonly string[] }>(`codes ${count}`)).codes;
  const atOnce = quick ? outstanding : codesAtOnce;
  let [cpu, asked] = [0, 0];
  let refreshTokens: readonly string[] = [];
  for (let batch = 0; batch <= (quick ? 1 : batches); batch++) {
    const codes = await codesOf(batch === 0 ? outstanding : grant === 'code' ? atOnce : 0);
    if (batch === 0) refreshTokens = await Promise.all(codes.map((code) => exchange(ask, code)));
    else {
      const before = await server.cpu();
      if (grant === 'code') asked += await exchanges(ask, codes);
      else refreshTokens = await Promise.all(refreshTokens.map((token) => refreshed(ask, token, atOnce / outstanding)));
      if (grant === 'refresh') asked += atOnce;
      cpu += (await server.cpu()) - before;
    }
  }
  agent.destroy();
  return cpu / asked;
}

/** The refresh token that stands at the end of so many, each of which was changed for the next. */
async function refreshed(ask: Ask, token: string, count: number): Promise<string> {
  let last = token;
  for (let i = 0; i < count; i++) last = await ask({ grant_type: 'refresh_token', refresh_token: last });
  return last;
}

/** Codes of a login, or refresh tokens, changed for tokens over HTTPS at the SIM-S and at the bare library, each in a process of its own, in turn. */
async function tokenRow(bench: 'oidc-token' | 'oidc-refresh', grant: 'code' | 'refresh', { rounds, quick, progress }: Run): Promise<Row> {
  progress(`${bench}: starting`);
  const entrants = [await start('sim-s'), await start('oidc-provider')] as const;
  try {
    for (let at = 1 - warming; at <= rounds; at++) {
      progress(`${bench}: ${at < 1 ? 'warming up' : `round ${at} of ${rounds}`}`);
      for (const entrant of entrants) {
        const cost = await round(entrant, grant, quick);
        if (at > 0) entrant.costs.push(cost);
      }
    }
  } finally {
    await Promise.all(entrants.map(({ server }) => server.stop()));
  }
  const [our, their] = entrants.map(({ costs }) => costs) as [number[], number[]];
  const perSecond = (one: number): number => 1e6 / one;
  const { value: peer_value, spread: peer_spread } = summary(their.map(perSecond));
  return {
    bench,
    ...summary(our.map(perSecond)),
    unit: 'op/s',
    rounds,
    peer: 'oidc-provider',
    peer_value,
    peer_spread,
    ratio: medianRatio(their, our),
    server_cpu_us: rounded(median(our), 3),
    peer_cpu_us: rounded(median(their), 3),
  };
}

/** Codes of a login. */
export const oidcTokenRow = (run: Run): Promise<Row> => tokenRow('oidc-token', 'code', run);
/** Refresh tokens, which are changed for others. */
export const oidcRefreshRow = (run: Run): Promise<Row> => tokenRow('oidc-refresh', 'refresh', run);
