/** In the place of what the world of a notification does not import: files and clusters. */

function absent(): never {
  throw { code: "denied", message: "a notification plugin has neither files nor clusters", extra: "{}" };
}

export {
  absent as create,
  absent as delete,
  absent as evict,
  absent as find,
  absent as get,
  absent as logs,
  absent as patch,
  absent as read,
  absent as remove,
  absent as scale,
  absent as scan,
  absent as usage,
  absent as write,
};
