import torch

from lrm_core.models.modulation import ModLN


def test_matches_equations_1_and_2() -> None:
    torch.manual_seed(0)
    layer = ModLN(6, 4, eps=1e-5)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    tokens, camera = torch.randn(2, 5, 6), torch.randn(2, 4)
    silu = camera / (1 + torch.exp(-camera))
    out = silu @ layer.modulation[1].weight.T + layer.modulation[1].bias
    beta, gamma = out[:, :6], out[:, 6:]  # shift first, as in DiT and OpenLRM
    for b in range(2):
        for j in range(5):
            x = tokens[b, j]
            normal = (x - x.mean()) / torch.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
            normal = normal * layer.norm.weight + layer.norm.bias
            expected = normal * (1 + gamma[b]) + beta[b]
            torch.testing.assert_close(layer(tokens, camera)[b, j], expected)


def test_starts_as_plain_layer_norm() -> None:
    layer = ModLN(6, 4, eps=1e-5)
    tokens = torch.randn(2, 5, 6)
    plain = torch.nn.functional.layer_norm(tokens, (6,))
    torch.testing.assert_close(layer(tokens, torch.randn(2, 4)), plain)


def test_two_layers_match_equation_1() -> None:
    torch.manual_seed(0)
    layer = ModLN(6, 4, eps=1e-5, num_layers=2)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    tokens, camera = torch.randn(2, 5, 6), torch.randn(2, 4)
    first, last = layer.modulation[0], layer.modulation[2]
    hidden = camera @ first.weight.T + first.bias
    out = hidden * hidden.sigmoid() @ last.weight.T + last.bias
    normal = torch.nn.functional.layer_norm(tokens, (6,), layer.norm.weight, layer.norm.bias)
    expected = normal * (1 + out[:, None, 6:]) + out[:, None, :6]
    torch.testing.assert_close(layer(tokens, camera), expected)


def test_two_layers_start_as_plain_layer_norm_and_can_leave_it() -> None:
    layer = ModLN(6, 4, eps=1e-5, num_layers=2)
    tokens = torch.randn(2, 5, 6)
    out = layer(tokens, torch.randn(2, 4))
    torch.testing.assert_close(out, torch.nn.functional.layer_norm(tokens, (6,)))
    out.square().sum().backward()
    assert layer.modulation[2].weight.grad.abs().max() > 0
