/** Of what a lab of CAPIF has: paths of APIs, and AEFs. */
export const anchorsPath = '/su-san/v1/anchors';
export const deliveryPath = '/3gpp-msgin5g/v1/messages';
export const san = 'san1';
export const nef = 'nef1';
export const skms = 'skms1';
