import type { Bench } from '../bench.ts';
import { ConformanceError } from '../errors.ts';
import { establish } from '../rs/establish.ts';
import type { Resources } from '../target.ts';
import { type OscoreSession, sessionOf } from './session.ts';

/** What is behind the context: a resource server has what the token opens. */
export function protectedResources({ target: { oscore, rs } }: Bench): Resources {
  if (oscore !== undefined) return oscore.resources;
  return rs === undefined ? {} : { get: rs.allowed, ...(rs.observe === undefined ? {} : { observe: rs.observe }) };
}

/** The path to read, which a case with the need `oscoreGet` has. */
export function readable(bench: Bench): string {
  const { get } = protectedResources(bench);
  if (get === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected a resource behind OSCORE, got none');
  return get;
}

/**
 * A session that works: by a context that the target was given, or by a token that we issue to ourselves. One request has gone through, so that a replay window
 * that was lost is restored (RFC 8613, Appendix B.1.2).
 */
export async function openOscore(bench: Bench): Promise<OscoreSession> {
  const keys = bench.target.oscore?.contexts[0];
  const session = keys === undefined ? (await establish(bench)).session : sessionOf(bench, await bench.udp(), keys);
  await session.ask(readable(bench));
  return session;
}
