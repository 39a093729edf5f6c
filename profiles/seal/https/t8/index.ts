/**
 * The T8 reference point of an SCEF (TS 33.187, 4.7; TS 29.122): device triggering and NIDD over HTTPS in front of devices that speak CoAP, and the filter that lets no
 * IMSI out.
 */
export type { T8Decision, T8Delivered, T8Limits } from './context.ts';
export { aceDeviceLink, type DeviceAnswer, type DeviceLink, type DeviceRequest } from './device-link.ts';
export type { DeliveryResult } from './device-triggering.ts';
export { DeviceRegistry, type T8Device } from './devices.ts';
export { type EgressEvent, EgressFilter, type EgressFilterOptions, type LeavingMessage, type Subscribers } from './egress/egress-filter.ts';
export { filtered } from './egress/filtered-response.ts';
export type { EgressFinding, EgressRule } from './egress/finding.ts';
export type { IsPublicNumber } from './egress/identity-fields.ts';
export { KnownImsis } from './egress/known-imsis.ts';
export type { DeliveryStatus } from './nidd.ts';
export type { OutboxEvent } from './outbox.ts';
export { type T8Api, T8Policy, type T8Rule, t8Apis } from './policy.ts';
export { type ProblemCause, problemCauses } from './problem-causes.ts';
export type { InvalidParam, ProblemDetails } from './problem-details.ts';
export type { T8Rate, T8RateEvent, T8Rates } from './request-rates.ts';
export { type AddressedDevice, NotificationListener, T8Client, type T8ClientOptions, type T8Response, type TriggerInit } from './t8-client.ts';
export { T8Error, type T8ErrorOptions } from './t8-error.ts';
export { type T8Event, T8Gateway, type T8GatewayOptions, type T8Guard, t8Paths } from './t8-gateway.ts';
