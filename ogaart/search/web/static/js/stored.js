// Values in this browser's storage; every failure is told, none is thrown.
export function read(key, otherwise, storage = () => localStorage) {
  try {
    const text = storage().getItem(key);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** Store a value; false where the browser refuses. */
export function write(key, value, storage = () => localStorage) {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export const BLOCKED = "This browser stores no data for this site: allow it in its settings";
