import { Code, codeClass, findOption, MessageType, OptionNumber, uintOption } from '../../coap/index.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import type { ClaimsSet } from '../../core/cwt.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { PlainChannel } from '../channel.ts';
import { codeText } from '../code-text.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode } from '../expect.ts';
import type { OscoreSession } from '../oscore/session.ts';
import type { Need } from '../target.ts';
import { enterBriefly, unlessLeeway, waitUntil } from './enter.ts';
import { deriveSession, establish, postToken, uploadToken } from './establish.ts';
import { encodeUpload, goodClaims, mint, rsOf, type Upload } from './token.ts';

const needs: readonly Need[] = ['udp', 'rsOscore'];
const withOther: readonly Need[] = [...needs, 'rsForbidden', 'rsOtherScope'];

/** A token that changes the rights of the context whose input material has this id. */
function updateToken(bench: Bench, kid: Uint8Array, claims: Partial<ClaimsSet>): Uint8Array {
  return mint(bench, { ...goodClaims(bench, { kid }), ...claims });
}

/** The rights for what the first token does not open. */
function otherRights(bench: Bench): Partial<ClaimsSet> {
  const { otherScope = '' } = rsOf(bench);
  return { scope: otherScope };
}

/** Upload under the context itself. */
function update(session: OscoreSession, token: Uint8Array, more: Upload = {}): ReturnType<OscoreSession['ask']> {
  return postToken(session.bench, session, encodeUpload({ token, ...more }));
}

/** An answer to a request under a context that has ended: not protected, since there is nothing to protect it by. */
async function expectUnprotectedRefusal(session: OscoreSession): Promise<void> {
  const answer = await session.answerTo(session.protect(rsOf(session.bench).allowed));
  if (findOption(answer.options, OptionNumber.Oscore) !== undefined)
    throw new Nonconformity('an unprotected 4.01', `${codeText(answer.code)} with the OSCORE option`);
  expectCode(answer, Code.Unauthorized);
}

/** The life of a context that a token has made (RFC 9203, Sections 4.2, 4.3 and 6). */
export const rsOscoreContextCases: readonly ConformanceCase[] = [
  {
    id: 'rs-osc-ctx-01',
    title: 'the same token again gives another context, and once that is in use the old one is of no use any more',
    standard: 'RFC 9203',
    section: '6',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session: old, material, token } = await establish(bench);
      const { allowed } = rsOf(bench);
      expectCode(await old.ask(allowed), Code.Content);
      const line = await bench.udp();
      const next = deriveSession(bench, line, material, await uploadToken(bench, new PlainChannel(bench, line), token));
      expectCode(await next.ask(allowed), Code.Content);
      await old.refused(old.protect(allowed).message, 'a request under the old context not to be served');
      expectCode(await next.ask(allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-ctx-02',
    title: 'an upload of a seen token by somebody else does not take the context away from the client',
    standard: 'RFC 9203',
    section: '2',
    level: 'SHOULD',
    needs,
    async run(bench) {
      const { session, token } = await establish(bench);
      const { allowed } = rsOf(bench);
      expectCode(await session.ask(allowed), Code.Content);
      await uploadToken(bench, new PlainChannel(bench, await bench.udp()), token);
      expectCode(await session.ask(allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-ctx-03',
    title: 'an update of rights under the context is answered by a protected 2.01 without payload',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session, material } = await establish(bench);
      const answer = await update(session, updateToken(bench, material.id, {}));
      expectCode(answer, Code.Created);
      if (answer.payload.length > 0) throw new Nonconformity('no payload', toHex(answer.payload));
    },
  },
  {
    id: 'rs-osc-ctx-04',
    title: 'an update gives the new rights to the same context',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs: withOther,
    async run(bench) {
      const { session, material } = await establish(bench);
      const { forbidden = '' } = rsOf(bench);
      expectCode(await session.ask(forbidden), Code.Forbidden);
      expectCode(await update(session, updateToken(bench, material.id, otherRights(bench))), Code.Created);
      expectCode(await session.ask(forbidden), Code.Content);
    },
  },
  {
    id: 'rs-osc-ctx-05',
    title: 'an update takes the old rights away: the new token is in the place of the old one',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs: withOther,
    async run(bench) {
      const { session, material } = await establish(bench);
      const { allowed } = rsOf(bench);
      expectCode(await session.ask(allowed), Code.Content);
      expectCode(await update(session, updateToken(bench, material.id, otherRights(bench))), Code.Created);
      expectCode(await session.ask(allowed), Code.Forbidden);
    },
  },
  {
    id: 'rs-osc-ctx-06',
    title: 'nonces and identifiers in an update are passed over',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session, material } = await establish(bench);
      const more = { nonce1: bench.env.random(8), id1: bench.env.random(2) };
      expectCode(await update(session, updateToken(bench, material.id, {}), more), Code.Created);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-ctx-07',
    title: 'an update for another key than that of the context is refused with 4.01, and changes nothing',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session } = await establish(bench);
      expectCode(await update(session, updateToken(bench, bench.env.random(8), {})), Code.Unauthorized);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-ctx-08',
    title: 'an update by a token that has expired is refused with 4.01, and changes nothing',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session, material } = await establish(bench);
      const exp = Math.floor(bench.env.epoch()) - 3600;
      expectCode(await update(session, updateToken(bench, material.id, { exp })), Code.Unauthorized);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
    },
  },
  {
    id: 'rs-osc-ctx-09',
    title: 'an update that nothing protects is refused: a kid alone is no input material',
    standard: 'RFC 9203',
    section: '4.2',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session, material } = await establish(bench);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
      const upload = encodeUpload({ token: updateToken(bench, material.id, {}), nonce1: bench.env.random(8), id1: bench.env.random(2) });
      const { code } = await postToken(bench, new PlainChannel(bench, await bench.udp()), upload);
      if (codeClass(code) !== 4) throw new Nonconformity('a 4.xx', codeText(code));
    },
  },
  {
    id: 'rs-osc-ctx-10',
    title: 'after the token has expired, a request under its context is answered by an unprotected 4.01',
    standard: 'RFC 9203',
    section: '4.3',
    level: 'MUST',
    needs,
    async run(bench) {
      const { opened: session, exp } = await enterBriefly(bench, async (end) => {
        const opened = await establish(bench, { claims: { exp: end } });
        expectCode(await opened.session.ask(rsOf(bench).allowed), Code.Content);
        return opened.session;
      });
      await waitUntil(bench, exp + 0.2);
      await unlessLeeway(bench, () => expectUnprotectedRefusal(session));
    },
  },
  {
    id: 'rs-osc-ctx-11',
    title: 'an observation ends with 4.01 when its token expires',
    standard: 'RFC 9200',
    section: '5.10.3',
    level: 'MUST',
    needs: [...needs, 'rsObserve'],
    async run(bench) {
      const { opened, exp } = await enterBriefly(bench, async (end) => {
        const { session } = await establish(bench, { claims: { exp: end } });
        const sealed = session.protect(rsOf(bench).observe ?? '', { options: [uintOption(OptionNumber.Observe, 0)] });
        const first = session.open(await session.answerTo(sealed), sealed);
        expectCode(first, Code.Content);
        return { session, sealed, first };
      });
      const { session, sealed, first } = opened;
      if (findOption(first.options, OptionNumber.Observe) === undefined) throw new NotApplicable('the target takes no registration for this resource');
      for await (const message of session.line.messages(Math.max(0, exp - bench.env.epoch()) * 1000 + bench.patience.answer)) {
        if (message.type === MessageType.CON) session.line.acknowledge(message);
        if (!equalBytes(message.token, sealed.message.token)) continue;
        const isProtected = findOption(message.options, OptionNumber.Oscore) !== undefined;
        const { code } = isProtected ? session.open(message, sealed) : message;
        if (code === Code.Content) continue;
        expectCode({ code }, Code.Unauthorized);
        return;
      }
      await unlessLeeway(bench, async () => {
        throw new Nonconformity('4.01 at the end of the token', 'none');
      });
    },
  },
  {
    id: 'rs-osc-ctx-12',
    title: 'who asks without OSCORE for what a context may have is refused, also while the context lives',
    standard: 'RFC 9203',
    section: '4.4',
    level: 'MUST',
    needs,
    async run(bench) {
      const { session } = await establish(bench);
      expectCode(await session.ask(rsOf(bench).allowed), Code.Content);
      expectCode(await new PlainChannel(bench, session.line).ask(rsOf(bench).allowed), Code.Unauthorized);
    },
  },
];
