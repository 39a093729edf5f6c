import { type CoapResponse, Code, ContentFormat, formatCode } from '../../../src/coap/index.ts';
import type { CborValue } from '../../../src/core/cbor.ts';
import { AkmaError } from './error.ts';

/**
 * Which UE service IDs belong to a UE: what a configuration management server, or an MSGin5G configuration function, keeps (TS 33.501, Y.2).
 *
 * It is asked at each registration, so that none rests on an association that has ended since.
 */
export interface UeAssociations {
  /** UE service IDs of a UE ID (`imsi-...`, `msisdn-...`); none: the UE is not known. A promise that fails: nobody knows. */
  serviceIdsOf(ueId: string): Promise<readonly string[]>;
  /** Let go of what the look-ups need. */
  close?(): Promise<void>;
}

/** A configuration management server that keeps UE service IDs, and how it is asked. */
export interface ConfigurationClientOptions {
  /** Sends a GET as a SIM-C: `(uri) => client.fetch(uri, { scope: 'ue-configuration:read-all' })`. */
  readonly get: (uri: string) => Promise<CoapResponse>;
  /** `coap://cm.example/su-uc/v1/val-services/msgin5g/ue-configurations` */
  readonly uri: string;
}

/** Associations that a configuration management server keeps in UE configurations (TS 24.546; TS 24.538, 7.2). */
export function ueAssociations({ get, uri }: ConfigurationClientOptions): UeAssociations {
  return {
    serviceIdsOf: async (ueId) => {
      const response = await get(`${uri}?val-tgt-ue=${encodeURIComponent(ueId)}`);
      if (response.code === Code.NotFound) return [];
      if (response.code !== Code.Content || response.contentFormat !== ContentFormat.Cbor) throw failed(`it answers ${formatCode(response.code)}`);
      return serviceIdsIn(response.cbor(), ueId);
    },
  };
}

/**
 * A list of UE configurations, or one: maps with `valTgtUe` (a map with the UE ID as `valUeId`) and `ueServiceId`. Those of other UEs count for nothing.
 */
function serviceIdsIn(value: CborValue, ueId: string): readonly string[] {
  const found: string[] = [];
  for (const configuration of Array.isArray(value) ? (value as readonly CborValue[]) : [value]) {
    if (!(configuration instanceof Map)) throw failed('it answers something that is no UE configuration');
    const target: CborValue = configuration.get('valTgtUe');
    const serviceId: CborValue = configuration.get('ueServiceId');
    if (target instanceof Map && target.get('valUeId') === ueId && typeof serviceId === 'string') found.push(serviceId);
  }
  return found;
}

function failed(reason: string): AkmaError {
  return new AkmaError('ERR_AKMA_ASSOCIATION', `the configuration management server tells no association: ${reason}`);
}
