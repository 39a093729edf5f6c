/** Cases of an authorization server of ACE (RFC 9200, 9201, 9202, 9203, 9770). */
import type { ConformanceCase } from '../case.ts';
import { asKeyCases } from './bound-keys.ts';
import { asIntrospectionCases } from './introspection.ts';
import { asRequestCases } from './requests.ts';
import { asTokenCases } from './tokens.ts';
import { asTrlCases } from './trl.ts';

export const asCases: readonly ConformanceCase[] = [...asTokenCases, ...asKeyCases, ...asRequestCases, ...asIntrospectionCases, ...asTrlCases];
