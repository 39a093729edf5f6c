import { Code } from '../../../src/coap/index.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import { SealError } from '../error.ts';
import { Members } from '../members.ts';
import { isOwn, readTargetQuery, readValTargetUe, type ValTargetUe } from '../val-target-ue.ts';
import type { ConfigurationDocument, DocumentKind } from './collection.ts';
import { readConfigs } from './configs.ts';

/** A ProfileDoc (TS 24.546, C.2.1.3.2.1). */
export interface UserProfile extends ConfigurationDocument {
  readonly target: ValTargetUe;
}

function read(body: CborMap, valServiceId: string): UserProfile {
  const document = new Members(body, 'ProfileDoc');
  const information = document.map('profileInformation');
  information.bool('status');
  information.optionalText('profileName');
  if (information.has('isDefault')) information.bool('isDefault');
  readConfigs(information, 'profileConfigs');
  const target = readValTargetUe(body.get('valTgtUe') as CborValue, 'ProfileDoc.valTgtUe');
  return { valServiceId, owner: `${target.kind} ${target.id}`, body, target };
}

/** The one argument, which has to be there (TS 24.546, Table C.2.1.2.2.3.1-1). */
function select(query: readonly string[]): (document: UserProfile) => boolean {
  const [argument, ...more] = query;
  if (argument?.startsWith('val-tgt-ue=') !== true || more.length > 0)
    throw new SealError('ERR_SEAL_QUERY', 'expected val-tgt-ue once and nothing else, got another query', { responseCode: Code.BadRequest });
  const isTarget = readTargetQuery(argument.slice('val-tgt-ue='.length));
  return ({ target }) => isTarget(target);
}

/** The SU_UserProfile API (TS 24.546, C.2.1). */
export const userProfiles: DocumentKind<UserProfile> = {
  scope: 'user-profile',
  path: '/su-up/v1/val-services',
  segment: 'user-profiles',
  idMember: 'profileDocId',
  read,
  select,
  isOwn: (caller, { target }) => isOwn(caller, target),
};
