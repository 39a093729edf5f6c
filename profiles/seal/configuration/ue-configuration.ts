import { Code } from '../../../src/coap/index.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import type { Caller } from '../caller.ts';
import { SealError } from '../error.ts';
import { Members, textOf, unfit } from '../members.ts';
import { isOwn, readTargetQuery, readValTargetUe, type ValTargetUe } from '../val-target-ue.ts';
import type { ConfigurationDocument, DocumentKind } from './collection.ts';
import { readConfigs } from './configs.ts';

/** UEs that have one Type Allocation Code (TS 24.546, C.3.1.3.2.4). */
interface ImeiRange {
  readonly tac: string;
  readonly serialNumbers: readonly number[];
  readonly low: number;
  readonly high: number;
}

/**
 * A UeConfigDoc (TS 24.546, C.3.1.3.2.1), with two members that an MSGin5G server needs and the text leaves room for: `valTgtUe`, the one UE that the document is
 * about, and `ueServiceId`, the UE Service ID that this UE may register with (TS 33.501, Y.2).
 */
export interface UeConfiguration extends ConfigurationDocument {
  readonly target?: ValTargetUe;
  readonly ueServiceId?: string;
  readonly uris: readonly string[];
  readonly imeiRanges: readonly ImeiRange[];
}

/** Items of a list at most. */
const most = 256;
const typeAllocationCode = /^[0-9]{8}$/;
const serialNumber = /^[0-9]{1,6}$/;

function matching(pattern: RegExp, expected: string): (value: CborValue, what: string) => string {
  return (value, what) => {
    const text = textOf(value, what);
    if (!pattern.test(text)) throw unfit(what, expected);
    return text;
  };
}

const readTac = matching(typeAllocationCode, 'eight digits');
const readSnr = matching(serialNumber, 'one to six digits');

function readRange(value: CborValue, what: string): ImeiRange {
  const members = new Members(value, what);
  const tac = readTac(members.text('tac'), `${what}.tac`);
  const serialNumbers = members.list('snrs', readSnr, { most }).map(Number);
  if (!members.has('snrRange')) return { tac, serialNumbers, low: 0, high: serialNumbers.length === 0 ? Number.POSITIVE_INFINITY : -1 };
  const range = members.map('snrRange');
  const [low, high] = (['low', 'high'] as const).map((end) => Number(readSnr(range.text(end), `${what}.snrRange.${end}`)));
  return { tac, serialNumbers, low: low!, high: high! };
}

function read(body: CborMap, valServiceId: string): UeConfiguration {
  const document = new Members(body, 'UeConfigDoc');
  document.text('valServiceDomain');
  document.optionalText('configName');
  const named = document.optionalText('valServiceId');
  if (named !== undefined && named !== valServiceId) throw unfit('UeConfigDoc.valServiceId', 'the VAL service of the path');
  readConfigs(document, 'ueConfigs');
  const ids = document.has('valUeIds') ? document.map('valUeIds') : undefined;
  const uris = ids?.list('uris', textOf, { most }) ?? [];
  const imeiRanges = ids?.list('imeiRanges', readRange, { most }) ?? [];
  const target = document.has('valTgtUe') ? readValTargetUe(body.get('valTgtUe') as CborValue, 'UeConfigDoc.valTgtUe') : undefined;
  const ueServiceId = document.optionalText('ueServiceId');
  if (ueServiceId !== undefined && target?.kind !== 'valUeId') throw unfit('UeConfigDoc.ueServiceId', 'valTgtUe with a valUeId beside it');
  return {
    valServiceId,
    owner: target === undefined ? '' : `${target.kind} ${target.id}`,
    body,
    ...(target === undefined ? {} : { target }),
    ...(ueServiceId === undefined ? {} : { ueServiceId }),
    uris,
    imeiRanges,
  };
}

type Criterion = (value: string) => (document: UeConfiguration) => boolean;

/** Arguments of a query (TS 24.546, Table C.3.1.2.2.3.1-1). A document says nothing of vendors but by the Type Allocation Codes, so `ue-vendor` fits none. */
const criteria: Readonly<Record<string, Criterion>> = {
  'ue-vendor': () => () => false,
  'ue-type':
    (value) =>
    ({ imeiRanges }) =>
      imeiRanges.some(({ tac }) => tac === value),
  'ue-snr': (value) => {
    const number = serialNumber.test(value) ? Number(value) : Number.NaN;
    return ({ imeiRanges }) => imeiRanges.some(({ serialNumbers, low, high }) => serialNumbers.includes(number) || (number >= low && number <= high));
  },
  'ue-uri':
    (value) =>
    ({ uris }) =>
      uris.includes(value),
  'val-tgt-ue': (value) => {
    const isTarget = readTargetQuery(value);
    return ({ target, uris }) => (target !== undefined && isTarget(target)) || uris.some((id) => isTarget({ kind: 'valUeId', id }));
  },
};

/** Documents that fit any of the arguments; all of them where there is none. */
function select(query: readonly string[]): (document: UeConfiguration) => boolean {
  if (query.length === 0) return () => true;
  const wanted = query.map((argument) => {
    const equals = argument.indexOf('=');
    const name = argument.slice(0, Math.max(0, equals));
    if (!Object.hasOwn(criteria, name)) {
      const names = Object.keys(criteria).join(', ');
      throw new SealError('ERR_SEAL_QUERY', `expected arguments of ${names}, got another`, { responseCode: Code.BadRequest });
    }
    return criteria[name]!(argument.slice(equals + 1));
  });
  return (document) => wanted.some((fits) => fits(document));
}

function isOfCaller(caller: Caller, { target, uris }: UeConfiguration): boolean {
  return (target !== undefined && isOwn(caller, target)) || (caller.valUeId !== undefined && uris.includes(caller.valUeId));
}

/** The SU_UeConfig API (TS 24.546, C.3.1). */
export const ueConfigurations: DocumentKind<UeConfiguration> = {
  scope: 'ue-configuration',
  path: '/su-uc/v1/val-services',
  segment: 'ue-configurations',
  idMember: 'ueConfigDocId',
  read,
  select,
  isOwn: isOfCaller,
};
