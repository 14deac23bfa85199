"""The verbs of the package, ``hsframe.read(...)`` and so on: the methods of the default session.

Each raises :class:`~hsframe.MetadataError` where there is no session: call ``hsframe.connect(...)`` first.
"""

from hsframe.session.default import of_default as _verb
from hsframe.session.session import Session as _Session

about = _verb(_Session.about)
ops = _verb(_Session.ops)
formats = _verb(_Session.formats)
defs = _verb(_Session.defs)
libs = _verb(_Session.libs)
filetypes = _verb(_Session.filetypes)
specs = _verb(_Session.specs)
read = _verb(_Session.read)
read_by_ids = _verb(_Session.read_by_ids)
find = _verb(_Session.find)
tree = _verb(_Session.tree)
nav = _verb(_Session.nav)
inventory = _verb(_Session.inventory)
estimate = _verb(_Session.estimate)
his_read = _verb(_Session.his_read)
his_iter = _verb(_Session.his_iter)
commit = _verb(_Session.commit)
his_write = _verb(_Session.his_write)
his_remove = _verb(_Session.his_remove)
latest = _verb(_Session.latest)
matrix = _verb(_Session.matrix)
export = _verb(_Session.export)
point_write = _verb(_Session.point_write)
point_write_array = _verb(_Session.point_write_array)
watch = _verb(_Session.watch)
watch_sub = _verb(_Session.watch_sub)
watch_poll = _verb(_Session.watch_poll)
watch_unsub = _verb(_Session.watch_unsub)
watch_close = _verb(_Session.watch_close)
invoke_action = _verb(_Session.invoke_action)
eval = _verb(_Session.eval)
eval_all = _verb(_Session.eval_all)
call = _verb(_Session.call)
