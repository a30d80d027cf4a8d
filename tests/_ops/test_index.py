"""Square brackets beside PyTorch's: what they read and write, gradients, node names, errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expressions import assert_agrees, table

import flambeau
from flambeau._core.trace import engine


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


READING = table(
    """
    x[5]
    x[-4]
    x[0,5]
    x[0,0,0]
    x[0,0][0]
    x[0,0][...]
    x[0,0][None]
    x[0,0][:]
    x[0,0][True]
    x[True]
    x[False]
    x[None,True]
    x[:,True]
    x[...,True]
    x[::-1]
    x[::0]
    x[1:'a']
    x['a']
    x[1.5]
    x[1.5:2]
    x[[0,1]]
    x[[[0,1],[1,0]]]
    x[[0,slice(None)]]
    x[[slice(0,1)]]
    x[[None,0]]
    x[[True,False,True]]
    x[[[True,False,True,False]]*3]
    x[(0,1),]
    x[(0,1),(1,2)]
    x[[0,1],[1,2]]
    x[np.array([0,1])]
    x[np.array([[0,1],[1,0]])]
    x[np.array([True,False,True])]
    x[np.int64(1)]
    x[np.array(1)]
    x[np.bool_(True)]
    x[T.tensor(1)]
    x[T.tensor(True)]
    x[T.tensor(1,dtype=T.uint8)]
    x[T.tensor([1,0,1],dtype=T.uint8)]
    x[T.tensor([1,0,1],dtype=T.int32)]
    x[T.tensor([1,0,1],dtype=T.int16)]
    x[T.tensor([1.,0,1])]
    x[T.tensor(1.)]
    x[range(2)]
    x[range(2),range(2)]
    x[[]]
    x[[],:]
    x[()]
    x[[],[]]
    x[T.tensor([0,5])]
    x[T.tensor([0,-4])]
    x[:,T.tensor([0,5])]
    x[T.tensor([0,1]),T.tensor([0,1,2])]
    x[T.tensor([True,False])]
    x[:,T.tensor([True,False])]
    x[T.tensor([True,False,True]),T.tensor([0,1,2])]
    x[T.ones(3,5,dtype=T.bool)]
    x[T.ones(3,4,1,dtype=T.bool)]
    x[i,i,i]
    x[b,0]
    x[0,b]
    x[b,None]
    x[...,...]
    x[...,0,...]
    x[b,...,0]
    x[i[:,None],i]
    x[None,i]
    x[i,None]
    T.zeros(2,3,4,5)[T.tensor([0,1]),:,T.tensor([0,1])]
    T.zeros(2,3,4,5)[:,T.tensor([0,1]),T.tensor([0,1])]
    T.zeros(2,3,4,5)[:,T.tensor([0,1]),0,T.tensor([0,1])]
    T.zeros(2,3,4,5)[:,T.tensor([0,1]),None,T.tensor([0,1])]
    T.zeros(2,3,4,5)[0,:,T.tensor([0,1])]
    T.zeros(2,3,4,5)[T.tensor(0),:,T.tensor([0,1])]
    T.zeros(2,0,4)[:,T.tensor([],dtype=T.long)]
    T.zeros(2,0,4)[:,T.tensor([0])]
    x[{}]
    x[0,'a']
    x[1+2j]
    x[T.tensor([1+2j])]
    x[-100:100]
    x[2:1]
    x[T.tensor(1):T.tensor(2)]
    x[np.int32(1):2]
    x[1:2:1.5]
    x[True:2]
    y[0]
    y[0:2]
    y[:]
    y[...]
    y[None]
    y[i]
    y[m]
    y[b,1:]
    y[1:,i[:2]]
    y[:,0]
    y[0,0]
    y[True]
    y[T.tensor(1)]
    y[:,None]
    y[[0,1]]
    T.zeros(2,3,4)[T.tensor([[True]*3]*2),0]
    z[m2,0]
    z[m2,:2]
    z[m2,i[:1]]
    z[m2,None]
    z[m2,True]
    z[None][:,m2,:2]
    z[None][...,m2,:2]
    z[None][0:1,...,m]
    z[[[True]*3]*2,0]
    z[0,m]
    z[:,T.tensor([[True]*5]*3)]
    z[T.tensor([[True]*2]*2),0]
    x[[T.tensor(0),T.tensor(1)]]
    x[[T.tensor(0),T.tensor(1)],]
    x[T.Size([1])]
    x[[0.5]]
    x[['a']]
    x[[[0],[0,1]]]
    x[[[[0]]]]
    x[np.array([[True]*4]*3)]
    x[np.array([0.5])]
    x[np.array([1],dtype=np.uint8)]
    x[np.array(True)]
    x[x[0,0],]
    x[0,0][0,]
    x[0,0][i]
    x[0,0][T.tensor([True])]
    x[0,0][T.tensor(0)]
    x[i[:1],...]
    x[...,i[:1]]
    x[:,i[:1],None]
    x[True,0]
    x[True,i]
    x[i,True]
    x[True,False]
    x[1:2,True,i]
    x["abc",0]
    x[b"a"]
    x[set()]
    x[0:1,::-2]
    y[i,i[:2,None]]
    y[-1]
    x[:,-1]
    x[...,-1]
    x[1::2]
    x[:,1::2]
    x[::2,::3]
    x[0:0]
    """
)
READING_WITH_GRADIENTS = table(
    """
    y[twice]
    y[:, twice]
    y[twice, twice]
    y[None, b]
    y[m]
    y[i[:, None], i]
    y[i, None]
    y[::2, 1::2]
    y[-1, 1:]
    y[1:, twice[:2]]
    z[:, twice, 1]
    z[twice[:2] // 2, :, twice[:2]]
    z[:, b]
    z[:, b, twice]
    """
)
WRITING = table(
    """
    x[0]=1
    x[0]=T.ones(3)
    x[0]=T.ones(1,1,4)
    x[0]=T.ones(2,4)
    x[0]=T.ones(1,1,1,1)
    x[0:2]=T.ones(2,1)
    x[i]=T.ones(3)
    x[i]=T.ones(1,3,4)
    x[i]=T.ones(2,3,4)
    x[i[:2]]=T.ones(3,4)
    x[0]='a'
    x[0]=[1,2,3,4]
    x[0]=np.ones(4)
    x[0]=np.float32(3)
    x[0,0]=None
    x[0]=(1,2,3,4)
    x[m]=0
    x[m]=T.ones(7)
    x[m]=T.ones(3)
    x[m]=T.tensor(5)
    x[m]=T.tensor([5])
    x[b]=T.zeros(2,4).int()
    x[b]=T.zeros(2,4).double()
    x[b]=T.zeros(2,4,dtype=T.complex64)
    x[0]=T.zeros(4).double()
    x[0]=T.zeros(4,dtype=T.complex64)
    x[0]=1+2j
    x[i]=1+2j
    x[m]=1+2j
    x[T.tensor([5])]=1
    x[5]=1
    x[0,0,0]=1
    x[True]=3
    x[False]=3
    x[...]=3
    x[:]=3
    x[None]=3
    x[()]=3
    x[T.tensor([0,1]),T.tensor([0,1,2])]=3
    x[T.tensor([True,False])]=3
    x[::-1]=3
    x[1:2,i]=3
    x[1:2,i]=T.ones(1,3)
    x[1:2,i]=T.ones(3)
    x[[0,0]]=T.tensor([[1.],[2.]])
    x[T.tensor(1)]=3
    x[T.tensor(True)]=3
    x.int()[0]=2.7
    T.zeros(2,dtype=T.int32).__setitem__(0, 2.7)
    T.zeros(2,dtype=T.uint8).__setitem__(0, 300)
    T.zeros(2,dtype=T.uint8).__setitem__(0, -1)
    T.zeros(2,dtype=T.uint8).__setitem__(0, -300)
    T.zeros(2,dtype=T.int32).__setitem__(0, inf)
    T.zeros(2,dtype=T.int32).__setitem__(0, nan)
    T.zeros(2,dtype=T.int8).__setitem__(T.tensor([0]), 300)
    T.zeros(2,dtype=T.int8).__setitem__(T.tensor([True,False]), 300)
    T.zeros(2,dtype=T.float16).__setitem__(0, 1e10)
    T.zeros(2,dtype=T.float32).__setitem__(0, 1e300)
    T.zeros(2,dtype=T.float32).__setitem__(0, 2**70)
    T.zeros(2,dtype=T.int64).__setitem__(0, 2**63)
    T.zeros(2,dtype=T.bool).__setitem__(0, 2.5)
    T.zeros(2,dtype=T.int32).__setitem__(0, 1+0j)
    T.zeros(2,dtype=T.int32).__setitem__(0, True)
    T.zeros(2,dtype=T.int32).__setitem__(0, T.tensor(2.7))
    T.zeros(2,dtype=T.int32).__setitem__(T.tensor([0]), T.tensor(2.7))
    T.zeros(2,dtype=T.int32).__setitem__(T.tensor([0,1]), T.tensor([2.7,3]))
    y[0]=1
    y[0]=T.ones(4,requires_grad=True)
    y[i]=1
    y[m]=1
    y[m]=T.ones(7,requires_grad=True)
    y[1:,i]=1
    y[1:,i[:2]]=T.ones(2,requires_grad=True)
    y[True]=1
    w[0]=1
    w[i]=1
    x[0]+=1
    x[x>100]=T.zeros(0)
    x[i[:0]]=T.zeros(0,4)
    x[:0]=5
    x[:0]=T.zeros(0,4)
    x[:0]=T.zeros(3,4)
    x.__delitem__(0)
    T.zeros(()).__setitem__((), 3)
    T.zeros(()).__setitem__(..., 3)
    T.zeros(()).__setitem__(0, 3)
    T.zeros(()).__setitem__(True, 3)
    T.zeros(3).__setitem__(T.tensor([True,False,True]), T.tensor([1.,2.,3.]))
    T.zeros(3).__setitem__(T.tensor([True,False,True]), T.ones(2,2))
    T.zeros(3).__setitem__(T.tensor([1.,0]), 3)
    T.zeros(3,2,dtype=T.long).__setitem__(slice(0,2), T.ones(2,2,requires_grad=True))
    """
)
WRITING_WITH_GRADIENTS = table(
    """
    y[0] = v
    y[:, 1] = v[:3]
    y[1:] = v
    y[b] = v
    y[twice] = v
    y[m] = v[2]
    y[m] = v
    y[i, i] = v[0]
    y[1:, i] = v[1]
    y[1:] += 1
    y[i] += v
    y[m] *= 3
    y[0, 1:3] = 7
    y[:] = v
    y[...] = v
    x[1:] += 1
    x[m] += 1
    x[x > 5] = -1
    x[x.long() % 2 == 0] = x[1, 1]
    x[:, 0], x[:, 1] = x[:, 1].clone(), x[:, 0].clone()
    x[1] = x[0]
    x[1:] = x[:-1].clone()
    """
)


@pytest.mark.parametrize("expression", READING)
def test_reading(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize("expression", READING_WITH_GRADIENTS)
def test_reading_with_gradients(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize("expression", WRITING)
def test_writing(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize("expression", WRITING_WITH_GRADIENTS)
def test_writing_with_gradients(expression: str) -> None:
    assert_agrees(expression)


def test_views_share_and_copies_do_not() -> None:
    base = flambeau.zeros(3, 4)
    view, copy = base[1:, 0], base[[1, 2], 0]
    base[1, 0] = 5.0
    assert view.tolist() == [5.0, 0.0]
    assert copy.tolist() == [0.0, 0.0]


def test_another_start_records_the_same_call() -> None:
    base = flambeau.arange(10)
    first, second = base[2:5], base[4:7]
    assert first._views[0][0] is second._views[0][0]


def test_nothing_is_read_from_an_empty_tensor() -> None:
    """So the index may name what is not there, as in PyTorch."""
    empty = flambeau.zeros(0, 3)[:, flambeau.tensor([7, -9])]
    assert tuple(empty.shape) == (0, 2)
    assert empty.tolist() == []


def test_an_index_out_of_bounds_says_where_it_stands() -> None:
    with pytest.raises(IndexError) as caught:
        flambeau.zeros(3)[flambeau.tensor([[0, 7]])]
    assert "It stands at [0, 1] of the index tensor." in caught.value.__notes__


def test_a_computed_index_is_checked_too() -> None:
    index = flambeau.arange(3) + 1
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        flambeau.zeros(3)[index]


def test_storing_the_result_of_an_in_place_operation_writes_once() -> None:
    base = flambeau.zeros(3)
    base[1:] += 1
    assert base._version == 1
    assert base.tolist() == [0.0, 1.0, 1.0]
