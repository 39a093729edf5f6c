import { AceError } from '../../../../src/ace/index.ts';
import type { AceClient } from '../../../../src/client/index.ts';
import { CoapError, Code, codeClass } from '../../../../src/coap/index.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import type { T8Device } from './devices.ts';

/** What goes to a device. */
export interface DeviceRequest {
  readonly path: string;
  readonly payload: Uint8Array;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** What came of it. */
export type DeviceAnswer =
  /** The device has it; `payload` is what it says back. */
  | { readonly outcome: 'taken'; readonly payload: Uint8Array }
  /** The device, or what protects it, says no for good: `why` is this program's word for it, `diagnostic` the device's own. */
  | { readonly outcome: 'refused'; readonly why: string; readonly diagnostic?: string }
  /** No answer, or one that says later; `after` in seconds. */
  | { readonly outcome: 'unreachable'; readonly after?: number }
  /** Something is wrong on this side. */
  | { readonly outcome: 'failed'; readonly reason: string };

/** The way to devices. */
export interface DeviceLink {
  /** Send to a device, and wait for its answer. */
  send(device: T8Device, request: DeviceRequest): Promise<DeviceAnswer>;
}

/** Codes that say nothing of the request itself. */
const later: ReadonlySet<number> = new Set([Code.ServiceUnavailable, Code.TooManyRequests, Code.GatewayTimeout]);
/** Characters of a diagnostic payload. */
const longestDiagnostic = 200;

/** To devices over CoAP with ACE and OSCORE or DTLS: a POST for each trigger or delivery, whose answer the association with the device vouches for. */
export function aceDeviceLink(client: AceClient): DeviceLink {
  return {
    send: async ({ uri }, { path, payload, timeout, signal }) => {
      try {
        const response = await client.fetch(`${uri.replace(/\/$/, '')}${path}`, { method: 'POST', payload, timeout, signal });
        if (codeClass(response.code) === 2) return { outcome: 'taken', payload: response.payload };
        if (later.has(response.code)) return { outcome: 'unreachable', after: response.maxAge };
        return { outcome: 'refused', why: response.codeText, diagnostic: diagnosticOf(response.payload) };
      } catch (error) {
        if (error instanceof CoapError) return { outcome: 'unreachable' };
        if (error instanceof AceError) return { outcome: 'refused', why: error.code };
        return { outcome: 'failed', reason: messageOf(error) };
      }
    },
  };
}

function diagnosticOf(payload: Uint8Array): string {
  return new TextDecoder()
    .decode(payload.subarray(0, 4 * longestDiagnostic))
    .replace(/[^ -~\u00a0-\uffff]/g, ' ')
    .slice(0, longestDiagnostic);
}
