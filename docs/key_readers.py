"""Where the code reads each key of the spec language: a small type inference over the source of `slm`.

A read is an attribute access (or `getattr` with a constant name) on a value that may be a model of `slm.spec`. What a
value may be follows from annotations, assignments and attributes; containers count as what they hold. An access that
the inference can't follow is not found: annotate the variable with its model.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from slm import spec as language
from slm.spec import memory, net

ROOT = Path(__file__).parents[1]
# What in the schema's own package acts on keys for the code outside, instead of reading and checking them.
RESOLVERS = {"net.py": ("actor_net_spec", "critic_net_spec"), "memory.py": ("sil_memory_spec",)}
TRANSPARENT_CALLS = ("items", "values", "get", "copy", "model_copy", "pop", "dict", "list", "enumerate", "zip", "cast")

Function = ast.FunctionDef | ast.AsyncFunctionDef
# A model of the language, or the name of a class of the package.
Type = type[BaseModel] | str
Types = frozenset[Type]
Scope = dict[str, Types]
Reads = dict[tuple[type[BaseModel], str], list[str]]
NOTHING: Types = frozenset()
# Everything of the language that an annotation can name.
LANGUAGE = {**vars(memory), **vars(net), **vars(language)}


def models_in(annotation: Any) -> Types:
    """The models that a runtime annotation mentions, at any depth; a base class stands for its subclasses too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return frozenset([annotation]).union(*(models_in(heir) for heir in annotation.__subclasses__()))
    return NOTHING.union(*(models_in(part) for part in get_args(annotation)))


def find_reads(root: Path = ROOT) -> Reads:
    """(model, key) → places `path:function`, in the order of the source, each once."""
    package = Package(root)
    reads: Reads = {}
    for place, function, scope in package.functions():
        for node in ast.walk(function):
            owner, key = accessed(node)
            for model in package.infer(owner, scope) if owner is not None else ():
                if not isinstance(model, str) and key in model.model_fields:
                    places = reads.setdefault((model, key), [])
                    if place not in places:
                        places.append(place)
    return reads


def accessed(node: ast.AST) -> tuple[ast.expr | None, str]:
    """The expression and the attribute's name where the node reads an attribute."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.value, node.attr
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, ast.Constant(value=str(key)), *_]):
            return owner, key
    return None, ""


class Package:
    """The package's classes and functions, and what the values in them may be."""

    def __init__(self, root: Path) -> None:
        self._trees = {path.relative_to(root): ast.parse(path.read_text()) for path in sorted(root.glob("slm/**/*.py"))}
        own = [tree for path, tree in self._trees.items() if path.parent.name != "spec"]
        self._classes = {node.name: node for tree in own for node in tree.body if isinstance(node, ast.ClassDef)}
        self._returns = {
            node.name: self.annotated(node.returns)
            for tree in self._trees.values()
            for node in tree.body
            if isinstance(node, Function)
        }
        self._attributes: dict[tuple[str, str], Types] = {}
        while self._learn_attributes():
            pass

    def _learn_attributes(self) -> bool:
        """Find what the classes' attributes may be, given what is known of them so far; whether that has grown."""
        before = dict(self._attributes)
        for name, node in self._classes.items():
            for part in node.body:
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    self._learn(name, part.target.id, self.annotated(part.annotation))
                elif isinstance(part, Function):
                    self._learn(name, part.name, self.annotated(part.returns))
                    self._learn_from_method(name, part)
        return self._attributes != before

    def _learn(self, owner: str, key: str, types: Types) -> None:
        self._attributes[owner, key] = self._attributes.get((owner, key), NOTHING) | types

    def _learn_from_method(self, owner: str, method: Function) -> None:
        """Account for what a method assigns to attributes of `self`."""
        scope = self.scope(method, owner)
        for target, value in assignments(method):
            if isinstance(target, ast.Attribute) and getattr(target.value, "id", None) == "self":
                self._learn(owner, target.attr, self.infer(value, scope))
        for node in ast.walk(method):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
                self._learn(owner, node.target.attr, self.annotated(node.annotation))

    def functions(self) -> Iterator[tuple[str, Function, Scope]]:
        """(place, function, what its names may be) for all functions outside the schema, and its resolvers."""
        for path, tree in self._trees.items():
            allowed = RESOLVERS.get(path.name, ()) if path.parent.name == "spec" else None
            for node in tree.body:
                if isinstance(node, Function) and (allowed is None or node.name in allowed):
                    yield f"{path}:{node.name}", node, self.scope(node)
                elif isinstance(node, ast.ClassDef) and allowed is None:
                    for method in node.body:
                        if isinstance(method, Function):
                            yield f"{path}:{node.name}.{method.name}", method, self.scope(method, node.name)

    def annotated(self, annotation: ast.expr | None) -> Types:
        """The models and classes that an annotation in the source mentions."""
        found: Types = NOTHING
        for node in ast.walk(annotation) if annotation is not None else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= self.annotated(ast.parse(node.value, mode="eval").body)
            name = getattr(node, "id", None)
            if name in self._classes:
                found |= {name}
            elif name in LANGUAGE:
                found |= models_in(LANGUAGE[name])
        return found

    def scope(self, function: Function, owner: str | None = None) -> Scope:
        """What the names in a function may be."""
        scope: Scope = {} if owner is None else {"self": frozenset([owner])}
        for node in ast.walk(function):
            if isinstance(node, ast.arg) and node.arg != "self":
                scope[node.arg] = scope.get(node.arg, NOTHING) | self.annotated(node.annotation)
        for _ in range(2):  # a name may be used in the source before the line that says what it is
            for target, value in assignments(function):
                if isinstance(target, ast.Name):
                    scope[target.id] = scope.get(target.id, NOTHING) | self.infer(value, scope)
        return scope

    def infer(self, node: ast.expr, scope: Scope) -> Types:
        """What the value of an expression may be, or may hold."""
        match node:
            case ast.Name(id=name):
                return scope.get(name, NOTHING)
            case ast.Attribute(value=value, attr=key):
                return NOTHING.union(*(self.attribute(owner, key) for owner in self.infer(value, scope)))
            case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in TRANSPARENT_CALLS:
                return self.infer(owner, scope)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in TRANSPARENT_CALLS:
                return NOTHING.union(*(self.infer(argument, scope) for argument in arguments))
            case ast.Call(func=ast.Name(id=name)):
                return frozenset([name]) if name in self._classes else self._returns.get(name, NOTHING)
            case ast.Call(func=function):
                return self.infer(function, scope)
            case ast.Lambda() | ast.Compare() | ast.BinOp():
                return NOTHING
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return NOTHING.union(*(self.infer(part, scope) for part in parts))

    def attribute(self, owner: Type, key: str) -> Types:
        """What an attribute of a model or of a class of the package may be."""
        if not isinstance(owner, str):
            field = owner.model_fields.get(key)
            return models_in(field.annotation) if field else NOTHING
        family = [owner, *self._bases(owner)]
        found = NOTHING.union(*(self._attributes.get((name, key), NOTHING) for name in family))
        if found:
            return found
        # What a base class leaves open, its subclasses say.
        heirs = [name for name in self._classes if owner in self._bases(name)]
        return NOTHING.union(*(self._attributes.get((name, key), NOTHING) for name in heirs))

    def _bases(self, owner: str) -> list[str]:
        """The classes of the package that a class descends from."""
        direct = [name for base in self._classes[owner].bases if (name := getattr(base, "id", "")) in self._classes]
        return [*direct, *(name for base in direct for name in self._bases(base))]


def assignments(function: Function) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(single target, value) of everything in a function that binds names, loops included."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from unpacked(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                yield target, value
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield from unpacked(target, value)


def unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """A binding of several names as one of each: with its own value where that is written out, else with the whole."""
    if not isinstance(target, ast.Tuple | ast.List):
        yield target, value
        return
    paired = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
    values = value.elts if paired and isinstance(value, ast.Tuple) else [value] * len(target.elts)
    for part, item in zip(target.elts, values, strict=True):
        yield from unpacked(part, item)
