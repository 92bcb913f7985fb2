"""Bad state dicts and bad ONNX files: each is refused with one line that says what was found and what was expected."""

import json
import random
import unittest

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

import onnx_files
import state_dicts
from contract import Error
from conversion_testing import msd_state, resnet_state, spec_bytes


def edited(state, **changes):
    """The state dict with some keys replaced or, where None, removed; "__" in a name stands for a dot."""
    result = dict(state)
    for key, value in changes.items():
        key = key.replace("__", ".")
        if value is None:
            del result[key]
        else:
            result[key] = value
    return result


def with_spec(state, index, **changes):
    """The state dict with attributes of one layer in its spec replaced or, where None, removed."""
    specs = json.loads(state["_extra_state"].tobytes())["layers"]
    specs[index].update(changes)
    specs[index] = {name: value for name, value in specs[index].items() if value is not None}
    return {**state, "_extra_state": spec_bytes(specs)}


def text(content):
    return np.frombuffer(content.encode(), np.uint8)


class RefusalTest(unittest.TestCase):

    def assert_refused(self, message, action):
        with self.assertRaisesRegex(Error, message) as caught:
            action()
        self.assertNotIn("\n", str(caught.exception))


class StateDictTest(RefusalTest):

    def refused(self, message, state, shortcut="append"):
        with self.subTest(message):
            self.assert_refused(message, lambda: state_dicts.to_network(state, shortcut))

    def test_resnets(self):
        good = resnet_state(1, blocks=2, steps=True)
        state_dicts.to_network(good, "append")
        zeros = lambda *dims: np.zeros(dims, np.float32)
        nan = zeros(4)
        nan[2] = np.nan
        self.refused(r"^bn1.running_mean is missing: sizes \[4\] expected", edited(good, bn1__running_mean=None))
        self.refused(
            r"^layer2.1.conv2.weight is missing: sizes \[8, 8, 3, 3\] expected",
            edited(good, layer2__1__conv2__weight=None),
        )
        self.refused(r"^conv1.weight is missing: sizes \[any, any, 3, 3\] expected", edited(good, conv1__weight=None))
        self.refused("^linear.weight is missing", edited(good, linear__weight=None))
        self.refused(
            r"^layer1.0.conv2.weight has sizes \[4, 5, 3, 3\]: \[4, 4, 3, 3\] expected",
            edited(good, layer1__0__conv2__weight=zeros(4, 5, 3, 3)),
        )
        self.refused(
            r"^conv1.weight has sizes \[4, 3, 7, 7\]: \[any, any, 3, 3\] expected",
            edited(good, conv1__weight=zeros(4, 3, 7, 7)),
        )
        self.refused(
            r"^linear.weight has sizes \[5, 17\]: \[any, 16\] expected", edited(good, linear__weight=zeros(5, 17))
        )
        self.refused(r"^linear.bias has sizes \[6\]: \[5\] expected", edited(good, linear__bias=zeros(6)))
        self.refused(
            r"^layer1.0.c has sizes \[4\]: \[\] or \[1\] or \[1, 1, 1, 1\] expected",
            edited(good, layer1__0__c=zeros(4)),
        )
        self.refused(
            r"^layer1.0.conv1.weight has sizes \[0, 4, 3, 3\]", edited(good, layer1__0__conv1__weight=zeros(0, 4, 3, 3))
        )
        self.refused("^bn1.bias contains nan at position 2: finite values expected", edited(good, bn1__bias=nan))
        self.refused("^linear.bias as float32 contains inf", edited(good, linear__bias=np.full(5, 1e39)))
        self.refused(
            "^bn1.running_var contains -1.0: at least 0 expected",
            edited(good, bn1__running_var=np.full(4, -1, np.float32)),
        )
        self.refused("^bn1.weight has type int64: floating point expected", edited(good, bn1__weight=np.ones(4, int)))
        self.refused(
            "^layer1.0.conv3.weight is unknown: a ResNet of basic blocks",
            edited(good, layer1__0__conv3__weight=zeros(4, 4, 1, 1)),
        )
        self.refused("^conv1.bias is unknown", edited(good, conv1__bias=zeros(4)))
        self.refused("^layer5.0.conv1.weight is unknown", edited(good, layer5__0__conv1__weight=zeros(4, 4, 3, 3)))
        self.refused("^layer1.3.conv1.weight is unknown", edited(good, layer1__3__conv1__weight=zeros(4, 4, 3, 3)))
        self.refused("^linear.weight is unknown", edited(good, fc__weight=zeros(5, 16), fc__bias=zeros(5)))
        for name in "shortcut", "downsample":
            self.refused(
                rf"^layer2.0.{name}.\* are the parameters of a shortcut: .* option A only",
                {**good, f"layer2.0.{name}.0.weight": zeros(8, 4, 1, 1)},
            )
        self.refused("^layer2.0 widens 4 channels to 8, and a state dict does not say", good, None)
        self.refused(
            "^module.bn1.running_mean is missing",
            {"module." + key: value for key, value in edited(good, bn1__running_mean=None).items()},
        )
        narrow = edited(good, layer2__0__conv1__weight=zeros(2, 4, 3, 3), layer2__0__conv2__weight=zeros(2, 2, 3, 3))
        for norm in "bn1", "bn2":
            for name in "weight", "bias", "running_mean", "running_var":
                narrow[f"layer2.0.{norm}.{name}"] = zeros(2)
        self.refused("^layer2.0.conv1.weight has 2 filters for 4 channels: at least 4 expected", narrow)
        only_stem = {key: value for key, value in good.items() if not key.startswith("layer")}
        self.refused("^layer1.0.conv1.weight is missing: at least one block expected", only_stem)
        self.refused(
            "^layer 0 .*: F contains -?inf at position|^b contains -?inf|contains -?inf",
            edited(good, bn1__running_var=zeros(4), bn1__weight=np.full(4, 3e38, np.float32)),
        )

    def test_other_forms(self):
        self.refused("^keys of no known form, beginning with none", {})
        self.refused("^keys of no known form, beginning with features.0.weight", {"features.0.weight": np.zeros(3)})
        self.refused("^a key is 3: names expected", {3: np.zeros(3)})
        for checkpoint in [], np.zeros(3), "text", None:
            self.assert_refused("a state dict, as model.state_dict", lambda: state_dicts.unwrap(checkpoint))

    def test_the_spec_of_own_state_dicts(self):
        good = msd_state(2)
        state_dicts.to_network(good)
        spec = json.loads(good["_extra_state"].tobytes())
        extra = lambda value: {**good, "_extra_state": value}
        self.refused("^_extra_state has sizes .* and type float64: the bytes of a JSON text", extra(np.zeros(3)))
        self.refused('^spec is "{": a JSON object with a list of layers', extra(text("{")))
        self.refused("^spec is .*: a JSON object", extra(text("[" * 100000)))
        self.refused("^spec is .*: a JSON object", extra(text('{"format": "csc-network", "version": 1, "layers": []}')))
        self.refused("^spec has version 2: 1 expected", extra(text(json.dumps({**spec, "version": 2}))))
        self.refused(
            '^spec has format "other": "csc-network" expected', extra(text(json.dumps({**spec, "format": "other"})))
        )
        self.refused('^layer 0 of the spec is 7: an object with "op"', extra(spec_bytes([7])))
        self.refused('^layer 0 of the spec has "many" for "parameters"', with_spec(good, 0, parameters="many"))
        self.refused("^keys of no known form", edited(good, _extra_state=None))

    def test_attributes_of_own_layers(self):
        good = msd_state(2)
        edit = lambda **changes: with_spec(good, 1, **changes)
        self.refused(r'^layer 1 \(Conv\): operator "Conv" is unknown: one of SoftThreshold', edit(op="Conv"))
        self.refused(r"^layer 1 \(Lasso\): a converged Lasso cannot be part of a network", edit(op="Lasso"))
        self.refused(r"^layer 1 \(MsdCsc\): attribute unfoldings is not one of MsdCsc's: strides, ", edit(unfoldings=2))
        self.refused("attribute unfolding is -1: an integer in 0..1000 expected", edit(unfolding=-1))
        self.refused("attribute unfolding is True: an integer", edit(unfolding=True))
        self.refused(r"attribute dilations is \[1, 0\]: a list of 2 integers in 1..1024", edit(dilations=[1, 0]))
        self.refused(r"attribute dilations is \[1\]: a list of 2 integers", edit(dilations=[1]))
        self.refused('attribute algorithm is "newton": "ista" or "fista" expected', edit(algorithm="newton"))
        self.refused(r"attribute strides is \[2, 2\]: \[1, 1\] expected", edit(strides=[2, 2]))
        self.refused(r"attribute pads is \[1, 1, 1, 1\]: pads that keep the size", edit(pads=[1, 1, 1, 1]))
        self.refused(r"attribute kernel_shape is \[5, 5\]: the filters' \[3, 3\] expected", edit(kernel_shape=[5, 5]))
        self.refused(r"2 constants found: 3 \(F, b, c\) or 4 \(F, b, c, a\) expected", edit(parameters=2))
        self.refused(r"^layer 2 \(MaxPool\): attribute kernel_shape is missing", with_spec(good, 2, kernel_shape=None))

    def test_constants_of_own_layers(self):
        good = msd_state(2)
        zeros = lambda *dims: np.zeros(dims, np.float32)
        self.refused(
            r"^layer 1 \(MsdCsc\): 1.F is missing: sizes \[any, any, any, any\]", {**edited(good, **{"1__F": None})}
        )
        self.refused(r"1.F has sizes \[3, 6, 3\]", {**good, "1.F": zeros(3, 6, 3)})
        self.refused(
            r"^layer 1 \(MsdCsc\): 1.norm.2.running_var is missing: sizes \[9\] expected",
            edited(good, **{"1__norm__2__running_var": None}),
        )
        self.refused(
            r"1.norm.0.running_mean has sizes \[8\]: \[9\] expected", {**good, "1.norm.0.running_mean": zeros(8)}
        )
        self.refused(r"1.b has sizes \[8\]: \[9\] expected", {**good, "1.b": zeros(8)})
        self.refused(r"1.a has sizes \[2, 9\]: \[9\] expected", {**good, "1.a": zeros(2, 9)})
        self.refused(r"1.c has sizes \[2\]: \[1\] or \[3\] expected", {**good, "1.c": zeros(2)})
        self.refused("^1.norm.3.running_mean is unknown", {**good, "1.norm.3.running_mean": zeros(9)})
        self.refused("^1.norm.0.weight is unknown", {**good, "1.norm.0.weight": zeros(9)})
        self.refused("^99.F is unknown: the names that README.md gives", {**good, "99.F": zeros(1)})
        self.refused(
            r"^layer 3 \(MsdCsc\): its input has 9 channels: 5 expected",
            {
                **good,
                "3.F": zeros(3, 5, 3, 3),
                "3.a": zeros(8),
                "3.b": zeros(8),
                **{f"3.norm.{k}.running_{name}": zeros(8) for k in range(3) for name in ("mean", "var")},
            },
        )
        # Without normalisation the checks are those of the contract.
        plain = {
            "_extra_state": spec_bytes([{"op": "LayeredPursuit", "parameters": 3, "nonnegative": 0}]),
            "0.F": zeros(4, 3, 3, 3),
            "0.b": zeros(4),
            "0.c": zeros(1),
        }
        state_dicts.to_network(plain)
        self.refused(r"0.b has sizes \[5\]: \[1\] or \[4\] or \[1, 4\] expected", {**plain, "0.b": zeros(5)})
        self.refused("0.b contains -1.0: at least 0 expected where nonnegative is 0", {**plain, "0.b": zeros(4) - 1})
        self.refused(
            "attribute pads is missing: filters of 2 x 2 need explicit ones", {**plain, "0.F": zeros(4, 3, 2, 2)}
        )
        self.refused(
            r"0.F has sizes \[1, 1, 256, 1\]: \[w, C, kh, kw\] with kernels of 1..255",
            {**plain, "0.F": zeros(1, 1, 256, 1)},
        )
        self.refused("^0.norm.running_mean is unknown", {**plain, "0.norm.running_mean": zeros(4)})

    def test_sizes_that_do_not_fit(self):
        dense = {
            "_extra_state": spec_bytes([{"op": "LayeredThreshold", "parameters": 2}, {"op": "Gemm", "parameters": 2}]),
            "0.F": np.ones((4, 3, 3, 3), np.float32),
            "0.b": np.zeros(4, np.float32),
            "1.W": np.ones((2, 4, 6, 6), np.float32),
            "1.bias": np.zeros(2, np.float32),
        }
        layers = state_dicts.to_network(dense)
        onnx_files.make_model(layers, [3, 6, 6], "layered")
        refused = lambda message, size: self.assert_refused(
            message, lambda: onnx_files.make_model(layers, [3, *size], "layered")
        )
        refused(r"^layer 1 \(Gemm\) sees a whole image of open size: --size expected", (0, 0))
        refused(r"^layer 1 \(Gemm\): its input has sizes \[4, 6, 7\]: \[4, 6, 6\] expected by W", (6, 7))
        layers[0].attributes["pads"] = [0, 0, 0, 0]
        refused(r"^layer 0 \(LayeredThreshold\): its input's height is 2: at least 3 expected", (2, 8))


class OnnxTest(RefusalTest):

    def setUp(self):
        layers = state_dicts.to_network(resnet_state(1, steps=True), "append")
        self.layered, self.fused = [
            onnx_files.make_model(layers, [3, 8, 8], form, ["a", "b", "c", "d", "e"]) for form in ("layered", "fused")
        ]

    def refused(self, message, change, form="layered"):
        """`change` spoils a model in place."""
        model = ModelProto()
        model.CopyFrom(getattr(self, form))
        change(model)
        with self.subTest(message):
            self.assert_refused(message, lambda: onnx_files.parse(model.SerializeToString()))

    def test_files_that_are_no_models(self):
        onnx_files.parse(self.layered.SerializeToString())
        for data in b"", b"text", self.layered.SerializeToString()[:-100]:
            self.assert_refused("not an ONNX model, or cut short|not a csc model", lambda: onnx_files.parse(data))
        for domains, found in (("", "ai.other"), r"\['', 'ai.other'\]"), (("",), r"\[''\]"):

            def change(model):
                del model.opset_import[:]
                model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)

            self.refused(f"^not a csc model: opset_import names domains {found}, csc in version 1 expected", change)

        def newer(model):
            model.opset_import[1].version = 2

        # In the words of training/onnx/parse_onnx.cc.
        self.refused(
            "^written for version 2 of the csc operators; this program reads version 1: a newer one may read it$", newer
        )

    def test_graphs(self):
        self.refused("the graph has 2 inputs and 1 outputs", lambda m: m.graph.input.add(name="more"))
        self.refused("the graph has 1 inputs and 2 outputs", lambda m: m.graph.output.add(name="more"))
        self.refused(
            r"the graph's input input has sizes \[0, 3, 8\]",
            lambda m: m.graph.input[0].type.tensor_type.shape.dim.pop(),
        )
        self.refused("the graph's output is other", lambda m: setattr(m.graph.output[0], "name", "other"))
        self.refused("the graph has no layers", lambda m: m.graph.ClearField("node"))
        first = lambda m: m.graph.node[0]
        self.refused(
            r"^node layer0_LayeredThreshold \(csc.LayeredThreshold\): its first input is image",
            lambda m: first(m).input.__setitem__(0, "image"),
        )
        self.refused('domain "ai.other" is unknown', lambda m: setattr(first(m), "domain", "ai.other"))
        self.refused('operator "Nothing" is unknown', lambda m: setattr(first(m), "op_type", "Nothing"))
        self.refused("operator MaxPool is not in domain csc", lambda m: setattr(first(m), "op_type", "MaxPool"))

        def portable(model):
            first(model).domain, first(model).op_type = "", "Conv"

        self.refused("the portable form cannot be read back", portable)
        self.refused('input "" is held by no initialiser', lambda m: first(m).input.append(""))
        self.refused("3 constants found: 2", lambda m: first(m).input.append(first(m).input[1]))

    def test_attributes(self):
        first = lambda m: m.graph.node[0]
        add = lambda **kv: lambda m: first(m).attribute.extend(helper.make_attribute(k, v) for k, v in kv.items())
        self.refused("attribute unfolding is not one of LayeredThreshold's", add(unfolding=1))
        self.refused("attribute group is 2: 1 expected", add(group=2))
        self.refused('attribute auto_pad is "VALID": "NOTSET" expected', add(auto_pad="VALID"))
        self.refused("attribute strides is given twice", add(strides=[1, 1]))
        self.refused("attribute t: an integer, a float", add(t=helper.make_tensor("t", TensorProto.FLOAT, [1], [1])))
        gemm = lambda m: m.graph.node[-1]

        def alpha(model):
            gemm(model).attribute[0].f = 2

        self.refused(r"^node output \(Gemm\): attribute alpha is 2.0: 1.0 expected", alpha)
        self.refused(
            r"^node layer5_Gemm_flat \(Flatten\): attribute axis is 2: 1 expected",
            lambda m: setattr(m.graph.node[-2].attribute[0], "i", 2),
        )

        def no_flatten(model):
            del model.graph.node[-3:-1]
            gemm(model).input[0] = model.graph.node[-2].output[0]

        self.refused("its input has 4 axes: a Flatten expected", no_flatten)

        def layer_after_flatten(model):
            flatten = model.graph.node[-2]
            again = helper.make_node("SoftThreshold", [flatten.output[0], "b"], ["g"], domain="csc")
            model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), "b"))
            gemm(model).CopyFrom(again)

        self.refused("it comes after a Flatten: only Gemm may", layer_after_flatten)

    def test_constants(self):
        tensor = lambda m: m.graph.initializer[0]
        self.refused(
            r"constant layer0_LayeredThreshold_F: FLOAT inside the file expected",
            lambda m: setattr(tensor(m), "data_type", TensorProto.DOUBLE),
        )
        self.refused(
            "FLOAT inside the file expected", lambda m: setattr(tensor(m), "data_location", TensorProto.EXTERNAL)
        )
        self.refused(
            r"has 108 values: sizes that give as many expected, not \[5, 3, 3, 3\]",
            lambda m: tensor(m).dims.__setitem__(0, 5),
        )
        for dims in [-4, 3, 3, -3], [0, 3], [1 << 62, 1 << 62]:

            def resize(model):
                tensor(model).dims[:] = dims

            self.refused("sizes that give as many expected", resize)
        self.refused("has 107 values|107", lambda m: setattr(tensor(m), "raw_data", tensor(m).raw_data[:-4]))
        self.refused(
            "has 431 bytes: whole values expected", lambda m: setattr(tensor(m), "raw_data", tensor(m).raw_data[:-1])
        )
        self.refused(
            "F contains nan at position 0",
            lambda m: setattr(tensor(m), "raw_data", b"\0\0\xc0\x7f" + tensor(m).raw_data[4:]),
        )
        self.refused(
            r"b has sizes \[2, 2\]: \[1\] or \[4\] expected",
            lambda m: m.graph.initializer[1].dims.__setitem__(slice(None), [2, 2]),
        )
        self.refused(
            r"its W takes 20 inputs: those of \[16, 1, 1\] expected",
            lambda m: m.graph.initializer[-2].dims.__setitem__(slice(None), [4, 20]),
        )

    def test_the_fused_form(self):
        node = lambda m: m.graph.node[0]
        spec = json.loads(helper.get_attribute_value(self.fused.graph.node[0].attribute[0]))

        def replaced(**changes):
            new = json.loads(json.dumps(spec))
            new["layers"][1].update(changes)
            return lambda m: setattr(node(m).attribute[0], "s", json.dumps(new).encode())

        self.refused("one attribute, spec, a string, expected", lambda m: node(m).ClearField("attribute"), "fused")
        self.refused("spec is .*: a JSON object", lambda m: setattr(node(m).attribute[0], "s", b"\xff\xfe"), "fused")
        self.refused("24 constants found: 25 expected by the spec", lambda m: node(m).input.pop(), "fused")
        self.refused("25 constants found: 23 expected by the spec", replaced(parameters=5), "fused")
        self.refused('attribute shortcut is "none": "identity" or "pad"', replaced(shortcut="none"), "fused")
        self.refused(
            'attribute shortcut is "identity" with 4 channels, 4 filters and strides', replaced(strides=[2, 2]), "fused"
        )

    def test_labels(self):
        for value in "a, b", "{}", "[1, 2]":
            self.refused(
                "metadata labels: a JSON list of strings", lambda m: setattr(m.metadata_props[0], "value", value)
            )

    def test_damaged_files_raise_errors_of_ours_alone(self):
        seed = 20240229
        rng = random.Random(seed)
        accepted = refused = 0
        for form in self.layered, self.fused:
            data = form.SerializeToString()
            # Most bytes are weights: the rest is found at the start, at the end and around the names.
            interesting = [i for i in range(len(data)) if i < 4000 or i > len(data) - 3000]
            for trial in range(600):
                spoilt = bytearray(data)
                for _ in range(rng.randint(1, 3)):
                    spoilt[rng.choice(interesting)] = rng.randrange(256)
                try:
                    layers, _, _ = onnx_files.parse(
                        bytes(spoilt[: rng.choice([len(data)] * 9 + [rng.randrange(len(data))])])
                    )
                    state_dicts.from_network(layers)
                    accepted += 1
                except Error:
                    refused += 1
                except Exception as error:
                    self.fail(f"seed {seed}, {form.graph.name}, trial {trial}: {error!r}")
        print(f"damaged files: {accepted} accepted, {refused} refused")
        self.assertGreater(refused, 100)


if __name__ == "__main__":
    unittest.main()
