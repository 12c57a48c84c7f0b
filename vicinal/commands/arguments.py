"""What stands behind a verb without a flag, called in help by what it is."""

from typing import Annotated

from tyro.conf import Positional, arg

RunFolder = Annotated[Positional[str], arg(metavar="RUN")]
Data = Annotated[Positional[str], arg(metavar="DATA")]
MaybeData = Annotated[Positional[str | None], arg(metavar="DATA")]
Graphs = Annotated[Positional[str], arg(metavar="GRAPHS")]
Name = Annotated[Positional[str], arg(metavar="NAME")]
Node = Annotated[Positional[str], arg(metavar="NODE")]
Nodes = Annotated[Positional[list[str]], arg(metavar="NODE...")]
Picture = Annotated[Positional[str], arg(metavar="PICTURE")]
MaybePicture = Annotated[Positional[str | None], arg(metavar="PICTURE")]
ImageDataset = Annotated[Positional[list[str]], arg(metavar="PICTURE...")]
