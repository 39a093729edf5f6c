import assert from 'node:assert/strict';
import {
  decodeKmResponse,
  encodeKmRequest,
  type KeyManagementEvent,
  type KeyManagementOptions,
  type KeyMaterial,
  type KeyRequestInit,
  type KmRequest,
  type KmResponse,
  keyManagement,
  requestKeys,
  SealedRecords,
} from '../../../../profiles/seal/index.ts';
import type { AceClient } from '../../../../src/client/index.ts';
import { ContentFormat, OptionNumber, uintOf } from '../../../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { Lab, type LabClient, type LabOptions } from './lab.ts';

export const sKmsUri = 'coap://10.0.0.2/km';
export const user = 'anna@val.example';

/** A UE with a user, whose token is for a service with key material and for one without; its other scope is of another service of the same server. */
export const ue1: LabClient = { id: 'client1', valUserId: user, valUeId: 'ue1', valServiceIds: ['v2x', 'empty'] };

export interface KmLabOptions extends LabOptions {
  readonly km?: Partial<KeyManagementOptions>;
}

/** Fields of a request; `undefined` takes one out. */
export type RequestFields = { readonly [K in keyof KmRequest]?: KmRequest[K] | undefined };

/** What came back from a KM request that a test wrote by hand. */
export interface Answered {
  readonly code: string;
  readonly response: KmResponse;
}

/** A lab whose SEAL server is a key management server, with a record for everybody. */
export class KmLab extends Lab {
  readonly records: SealedRecords = new SealedRecords(memoryStore(), new Uint8Array(32).fill(3));
  readonly kmEvents: KeyManagementEvent[] = [];

  constructor({ km = {}, ...options }: KmLabOptions = {}) {
    super({
      clients: [ue1],
      services: () => [
        keyManagement({
          sKmsUri,
          records: this.records,
          env: this.simulator.env('SKM-S'),
          emit: (event) => this.kmEvents.push(event),
          ...km,
        }),
        { scopes: { 'note:read': { '/note': ['GET'] } }, mount: (server) => void server.resource('/note', { get: () => 'note' }) },
      ],
      ...options,
    });
  }

  override async start(): Promise<this> {
    await this.records.put({ serviceId: 'v2x' }, utf8('service keys'));
    await this.records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } }, utf8('keys of ue1'));
    await this.records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue2' } }, utf8('keys of ue2'));
    await this.records.put({ serviceId: 'other', identity: { kind: 'deviceId', id: 'ue1' } }, utf8('another service'));
    return super.start();
  }

  /** Key material by the SKM-C. */
  keys(init: Partial<KeyRequestInit> = {}, client: Pick<AceClient, 'fetch'> = this.simC): Promise<KeyMaterial> {
    return this.finish(requestKeys(client, { sKmsUri, serviceId: 'v2x', ...init }, this.simulator.env()));
  }

  async keyText(init: Partial<KeyRequestInit> = {}, client?: Pick<AceClient, 'fetch'>): Promise<string> {
    return fromUtf8((await this.keys(init, client)).payload);
  }

  /** A request that is right unless a test says otherwise. */
  kmRequest(fields: RequestFields = {}): KmRequest {
    return { version: '1.0.0', sKmsUri, serviceId: 'v2x', dateTime: Math.floor(this.epoch), ...fields } as KmRequest;
  }

  /** Send a KM request as it is. */
  ask(fields: RequestFields = {}, how: { readonly method?: 'FETCH' | 'POST'; readonly scope?: string; readonly client?: AceClient } = {}): Promise<Answered> {
    return this.askRaw(encodeKmRequest(this.kmRequest(fields)), how);
  }

  /** Send bytes to where KM requests go. */
  async askRaw(
    payload: Uint8Array,
    { method = 'FETCH', scope = 'km', client = this.simC }: { readonly method?: 'FETCH' | 'POST'; readonly scope?: string; readonly client?: AceClient } = {},
  ): Promise<Answered> {
    const init = { method, payload, scope, contentFormat: ContentFormat.Cbor, upgrade: false };
    const response = await this.fetch('/km', init, client);
    assert.equal(response.protected, true);
    assert.equal(uintOf(response.options, OptionNumber.ContentFormat), ContentFormat.Cbor, response.codeText);
    return { code: response.codeText, response: decodeKmResponse(response.payload) };
  }

  /** Why KM requests were refused so far; they start anew. */
  kmRefusals(): string[] {
    return this.kmEvents.splice(0).flatMap((event) => (event.type === 'key-request-refused' ? [event.reason] : []));
  }
}

/** Run a check in a lab that is closed afterwards. */
export async function inKmLab(options: KmLabOptions, check: (lab: KmLab) => Promise<void>): Promise<void> {
  const lab = await new KmLab(options).start();
  try {
    await check(lab);
  } finally {
    await lab.close();
  }
}

/** An error says the code of CoAP and the ErrorCode that belong to it, and has no payload. */
export function assertRefused({ code, response }: Answered, wantedCode: string, errorCode: number): void {
  assert.deepEqual([code, response.errorCode, response.payload], [wantedCode, errorCode, undefined]);
}
