/** Cases of a resource server of ACE (RFC 9200, 9202, 9203). */
import type { ConformanceCase } from '../case.ts';
import { rsAccessCases } from './access.ts';
import { rsDtlsCases } from './dtls-profile.ts';
import { rsOscoreContextCases } from './oscore-context.ts';
import { rsOscoreUploadCases } from './oscore-upload.ts';
import { rsUploadCases } from './upload.ts';

export const rsCases: readonly ConformanceCase[] = [...rsUploadCases, ...rsAccessCases, ...rsOscoreUploadCases, ...rsOscoreContextCases, ...rsDtlsCases];
