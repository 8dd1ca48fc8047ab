/** The most characters in the parts of an owner. Each part has at least one. */
export const ownerLimits: { readonly kindCharacters: number; readonly keyCharacters: number } = {
  kindCharacters: 63,
  keyCharacters: 1024,
};

/** The longest name of a property, which has at least one character, and the longest value in UTF-8. */
export const propertyLimits: { readonly nameCharacters: number; readonly valueBytes: number } = {
  nameCharacters: 253,
  valueBytes: 1024 * 1024,
};
